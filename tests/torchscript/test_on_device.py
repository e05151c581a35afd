"""What brings batches to a device and answers back, with the CPU as the device.

Page-locked memory and streams need a GPU: see tests/cuda/test_served_device.py.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from gerank.data.batch import RerankBatch, Slates
from gerank.export.archive import no_deprecation
from gerank.export.artifact import script
from gerank.nn.generator import Generator
from tests.cpp_projects import built
from tests.page.page_cases import expect_as_in_double
from tests.page.test_answers import drawn, frozen, rows

SOURCE = Path(__file__).parent


@pytest.fixture(scope="module", autouse=True)
def library() -> None:
    build = built(SOURCE, "device_tests", torch.utils.cmake_prefix_path)
    torch.ops.load_library(build / "libon_device.so")


def flat(batches: list[RerankBatch]) -> list[Tensor]:
    return [part.contiguous() for batch in batches for part in batch]


def by_page(page: Tensor, batches: list[RerankBatch], threads: int = 1) -> list[Slates]:
    return slates_of(torch.ops.gerank_test.by_page(page, flat(batches), threads))


def by_script(path: Path, batches: list[RerankBatch], threads: int = 1) -> list[Slates]:
    return slates_of(torch.ops.gerank_test.by_script(str(path), flat(batches), threads))


def slates_of(parts: list[Tensor]) -> list[Slates]:
    return [Slates(*parts[first : first + 3]) for first in range(0, len(parts), 3)]


def saved(generator: Generator, path: Path) -> torch.jit.ScriptModule:
    """A scripted generator, which is in a file as well."""
    scripted = script(generator)
    with no_deprecation():
        scripted.save(str(path))
    return scripted


def sizes_that_grow_and_shrink(batch: RerankBatch) -> list[RerankBatch]:
    """Batches of one model, of which each lies in memory that another has left."""
    count = len(batch.slots)
    return [rows(batch, 0, n) for n in (2, count, 1, count // 2, count)]


@pytest.mark.parametrize("place", range(4))
def test_a_page_answers_what_the_separate_layers_do(seed: int, place: int) -> None:
    generator, batch = drawn(seed + place, requests=24)
    batches = sizes_that_grow_and_shrink(batch)
    for asked, answer in zip(batches, by_page(frozen(generator).page, batches), strict=True):
        expect_as_in_double(generator, asked, answer)


@pytest.mark.parametrize("place", range(4))
def test_a_module_answers_what_it_answers_in_python(seed: int, place: int, tmp_path: Path) -> None:
    generator, batch = drawn(seed + place, requests=24)
    scripted = saved(generator, tmp_path / "module.pt")
    batches = sizes_that_grow_and_shrink(batch)
    for asked, answer in zip(batches, by_script(tmp_path / "module.pt", batches), strict=True):
        with torch.inference_mode():
            expected = scripted(*asked)
        assert all(map(torch.equal, answer, expected))


def test_threads_share_a_model_and_no_memory(seed: int) -> None:
    generator, batch = drawn(seed, requests=24)
    page, batches = frozen(generator).page, sizes_that_grow_and_shrink(batch) * 4
    alone = by_page(page, batches)
    together = by_page(page, batches, threads=4)
    assert len(together) == 4 * len(alone)
    for answer, expected in zip(together, alone * 4, strict=True):
        assert all(map(torch.equal, answer, expected))


def test_a_batch_that_breaks_a_promise_is_refused_before_it_is_sent(seed: int) -> None:
    generator, batch = drawn(seed, requests=6)
    page = frozen(generator).page
    with pytest.raises(RuntimeError, match="temperature must be positive and finite"):
        by_page(page, [batch._replace(temperature=torch.zeros_like(batch.temperature))])
    assert len(by_page(page, [batch])) == 1


class TooNarrow(nn.Module):
    """A model that answers a slot too few."""

    def forward(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        weights: Tensor,
        pins: Tensor,
        dedup_keys: Tensor,
        spacing: Tensor,
        quotas: Tensor,
        slots: Tensor,
        temperature: Tensor,
        seeds: Tensor,
        greedy: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        short = pins[:, 1:]
        return short, short.float(), short


def test_an_answer_of_another_shape_is_refused(seed: int, tmp_path: Path) -> None:
    _, batch = drawn(seed, requests=3)
    path = tmp_path / "narrow.pt"
    with no_deprecation():
        torch.jit.script(TooNarrow()).save(str(path))
    with pytest.raises(RuntimeError, match=r"the generator must answer \[B, N\] = \[3, "):
        by_script(path, [batch])


def test_a_device_that_is_not_there_has_a_rule() -> None:
    assert torch.ops.gerank_test.device_rule("cpu") == ""
    if not torch.cuda.is_available():
        rule = torch.ops.gerank_test.device_rule("cuda:0")
        assert rule == "must be cpu where torch sees no CUDA device"
