"""Several processes learn what one would: from the same batches, in however many parts."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import distributed

from gerank.train.processes import current, joined
from tests.train.process_cases import Found, all_cases
from tests.train.torchrun import torchrun

MOST = 1e-6


def largest_differences(found: Found, expected: Found) -> dict[str, float]:
    """Case -> the largest difference of one of its numbers, in units of the largest one above 1."""
    assert found.keys() == expected.keys()
    worst: dict[str, float] = {}
    for name, value in expected.items():
        assert found[name].shape == value.shape, name
        scale = max(1.0, float(value.double().abs().max()))
        difference = float((found[name].double() - value.double()).abs().max()) / scale
        case = name.partition(":")[0]
        worst[case] = max(worst.get(case, 0.0), difference)
    return worst


def largest_gradients(found: Found) -> dict[str, float]:
    """Case of a stage -> the largest number in a gradient."""
    largest: dict[str, float] = {}
    for name, value in found.items():
        case, _, rest = name.partition(":")
        if rest.rpartition(".")[2] in ("weight", "bias", "slot_embedding", "embedding"):
            largest[case] = max(largest.get(case, 0.0), float(value.abs().max()))
    return largest


@pytest.mark.skipif(not distributed.is_gloo_available(), reason="this torch has no gloo")
@pytest.mark.parametrize(("processes", "accumulate"), [(2, 1), (4, 1), (2, 3)])
def test_processes_learn_from_their_shares_what_one_learns_from_the_batch(
    processes: int, accumulate: int, seed: int, tmp_path: Path
) -> None:
    answer = tmp_path / "found.pt"
    program = ["-m", "tests.train.process_cases", str(answer), str(seed), str(accumulate)]
    ended = torchrun(processes, *program)
    assert ended.returncode == 0, ended.stderr
    expected = all_cases(seed, 1)
    assert min(largest_gradients(expected).values()) > 1e-2
    worst = largest_differences(torch.load(answer), expected)
    print(worst)  # noqa: T201  shown where it fails
    assert max(worst.values()) <= MOST


def test_a_batch_in_parts_teaches_what_it_teaches_at_once(seed: int) -> None:
    worst = largest_differences(all_cases(seed, 4), all_cases(seed, 1))
    print(worst)  # noqa: T201  shown where it fails
    assert max(worst.values()) <= MOST


def test_a_process_that_torchrun_did_not_start_stays_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    with joined() as processes:
        assert (processes.rank, processes.size) == (0, 1)
        assert not distributed.is_initialized()
        assert current().told_by_first(lambda: 7) == 7
        assert current().all_told("own") == ["own"]
        values = torch.rand(3)
        assert current().summed(values) is values
        assert current().gathered(values, 0, [3]) is values


def test_one_process_of_torchrun_stays_alone_too(monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"RUN_ID": "one", "RESTART_COUNT": "0"}
    for name, value in told.items():
        monkeypatch.setenv(f"TORCHELASTIC_{name}", value)
    for name, value in {"WORLD_SIZE": "1", "LOCAL_WORLD_SIZE": "1", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    with joined() as processes:
        assert processes.size == 1
        assert not distributed.is_initialized()
