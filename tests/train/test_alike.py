"""Processes that differ are refused by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from gerank.train import alike
from gerank.train.alike import check_same_run
from gerank.train.log_identity import LogIdentity
from gerank.train.processes import Processes, ProcessesError
from tests.train.tiny import tiny_config

CPU, LOG = torch.device("cpu"), LogIdentity(400, 80, "a")


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (0, r"--out: process 1 of 2 has /other, and process 0 /run"),
        (1, r"process 1 of 2 has other settings than process 0: seed was 0 and is 7 now"),
        (2, r"data\.log: process 1 of 2 reads another log than process 0: .* \(b\) and .* \(a\)"),
        (3, r"train\.device: process 1 of 2 computes on cuda, and process 0 on cpu"),
    ],
)
def test_what_differs_is_told(monkeypatch: pytest.MonkeyPatch, changed: int, words: str) -> None:
    config = tiny_config(Path("unused"))
    others = (Path("/other"), replace(config, seed=7), replace(LOG, digest="b"), "cuda")

    class Two(Processes):
        def all_told(self, value):  # type: ignore[no-untyped-def]
            other = [others[i] if i == changed else part for i, part in enumerate(value)]
            return [value, tuple(other)]

    monkeypatch.setattr(alike, "current", lambda: Two(0, 2))
    with pytest.raises(ProcessesError, match=words):
        check_same_run(Path("/run"), config, LOG, CPU)


def test_a_process_that_is_alone_is_refused_nothing() -> None:
    check_same_run(Path("/run"), tiny_config(Path("unused")), LOG, CPU)
