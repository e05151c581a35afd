"""rank_page where there is no kernel of it: the same answer by torch's operators, tried on the CPU.

The dispatcher is told to take the kernel of another device, with tensors of the CPU.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import gerank.ops  # noqa: F401  registers the op
from gerank.data.batch import RerankBatch
from tests.page.page_cases import expect_as_in_double
from tests.page.test_answers import drawn, frozen

Answer = tuple[Tensor, Tensor, Tensor]


def elsewhere(page: Tensor, batch: RerankBatch) -> Answer:
    """What a device without a kernel of its own answers."""
    keys = torch._C.DispatchKeySet(torch._C.DispatchKey.CUDA)
    answer: Answer = torch.ops.gerank.rank_page.default.redispatch(keys, page, *batch)
    return answer


@pytest.mark.parametrize("place", range(16))
def test_equals_the_separate_layers_in_double(seed: int, place: int) -> None:
    generator, batch = drawn(seed + place)
    expect_as_in_double(generator, batch, elsewhere(frozen(generator).page, batch))


@pytest.mark.parametrize("candidates", [1, 8, 100, 230])
def test_equals_them_for_sets_of_any_size(seed: int, candidates: int) -> None:
    generator, batch = drawn(seed, candidates=candidates, requests=6)
    batch = batch._replace(candidate_mask=torch.ones_like(batch.candidate_mask))
    expect_as_in_double(generator, batch, elsewhere(frozen(generator).page, batch))


def test_what_padding_holds_changes_no_bit(seed: int) -> None:
    generator, batch = drawn(seed, candidates=20, requests=6)
    page, mask = frozen(generator).page, batch.candidate_mask.unsqueeze(-1)
    dirty = batch._replace(
        candidate_dense=torch.where(mask, batch.candidate_dense, torch.nan),
        candidate_ids=torch.where(mask, batch.candidate_ids, 2**40),
    )
    assert all(map(torch.equal, elsewhere(page, dirty), elsewhere(page, batch)))


def test_no_requests_get_no_slates(seed: int) -> None:
    generator, batch = drawn(seed)
    none = RerankBatch(*(tensor[:0] for tensor in batch))
    slots = batch.pins.size(1)
    answer = elsewhere(frozen(generator).page, none)
    assert [list(part.shape) for part in answer] == [[0, slots]] * 3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda page: page[:7], "page must have a header of"),
        (lambda page: page[:-1], "page is no packed page model of version 1"),
        (lambda page: torch.zeros_like(page), "page is no packed page model of version 1"),
        (lambda page: page.double(), "page must be float32"),
    ],
)
def test_a_page_of_another_make_is_refused(
    seed: int, change: Callable[[Tensor], Tensor], words: str
) -> None:
    generator, batch = drawn(seed)
    with pytest.raises(RuntimeError, match=f"gerank::rank_page: {words}"):
        elsewhere(change(frozen(generator).page), batch)
