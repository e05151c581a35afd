"""rank_page refuses what does not fit, by name, and passes PyTorch's own checks of ops."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, library

from gerank import ops
from gerank.data.batch import RerankBatch
from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.packed_page import rewrite_maps
from gerank.ops.page_packing import pack_page, read_offsets
from tests.page.page_cases import random_generator, random_requests

CONTRACT = RequestContract(
    FeatureSchema(
        user=(Feature("age", FeatureKind.DENSE), Feature("country", FeatureKind.ID, 4)),
        candidate=(
            Feature("score", FeatureKind.DENSE),
            Feature("kind", FeatureKind.ID, 3),
            Feature("seller", FeatureKind.ID, 8, hashed=True),
        ),
        groups=("seller",),
    ),
    20,
    4,
    {"clicks": WeightRange(0.0, 1.0, 1.0)},
)


@pytest.fixture
def case(seed: int) -> tuple[Tensor, RerankBatch]:
    """A page model and three requests of five candidates to it."""
    rng = np.random.default_rng(seed)
    generator = random_generator(rng, CONTRACT, None)
    generator.freeze()
    batch = random_requests(rng, CONTRACT, 3, 5)
    mask, none = torch.ones(3, 5, dtype=torch.bool), torch.full((3, 4), -1)
    return generator.page, batch._replace(candidate_mask=mask, pins=none, slots=torch.full((3,), 4))


def with_header(page: Tensor, place: int, value: int) -> Tensor:
    changed = page.clone()
    changed[:128].view(torch.int64)[place] = value
    return changed


@pytest.mark.parametrize(
    ("place", "value", "words"),
    [
        (0, 1, "is no packed page model"),
        (1, 9, "has format version 9, this gerank reads 1"),
        (2, 64, "says that it has 64 bytes, got"),
        (10, 0, "width must be between 1 and 512, got 0"),
        (17, 3, "user_units must be between 0 and 1, got 3"),
        (23, 7, "control must be between 0 and 3, got 7"),
        (25, 4, "section 0 of 4 bytes must lie within it at a multiple of 64, got offset 4"),
        (30, 1 << 40, "section 5 of "),
    ],
)
def test_a_page_of_another_make_is_refused(
    case: tuple[Tensor, RerankBatch], place: int, value: int, words: str
) -> None:
    page, batch = case
    with pytest.raises(RuntimeError, match=f"gerank::rank_page: page {words}"):
        ops.rank_page(with_header(page, place, value), *batch)


def test_no_size_of_the_header_leads_out_of_the_memory(case: tuple[Tensor, RerankBatch]) -> None:
    page, batch = case
    sizes = page[:128].view(torch.int64)[3:25].tolist()
    for place, size in enumerate(sizes, start=3):
        for value in (-1, 2**62):
            with pytest.raises(RuntimeError, match="gerank::rank_page: page "):
                ops.rank_page(with_header(page, place, value), *batch)
        with contextlib.suppress(RuntimeError, IndexError):  # or another answer
            ops.rank_page(with_header(page, place, size + 1), *batch)


def test_a_page_that_is_cut_off_is_refused(case: tuple[Tensor, RerankBatch]) -> None:
    page, batch = case
    for size in (0, 3, 100, page.numel() - 1):
        with pytest.raises(RuntimeError, match=r"gerank::rank_page: page .*got"):
            ops.rank_page(page[:size], *batch)


@pytest.mark.parametrize(
    ("name", "change", "words"),
    [
        ("user_dense", lambda t: t[:, :0], r"user_dense must have the 1 columns of page, got 0"),
        ("candidate_dense", lambda t: t.double(), r"candidate_dense must be \[B, M, F\]"),
        ("candidate_ids", lambda t: t[:, :4], r"candidate_ids must be \[B, M, I\]"),
        ("weights", lambda t: t.repeat(1, 2), r"weights must have the 1 columns of page, got 2"),
        ("spacing", lambda t: t[:, :0], r"spacing must have the 1 columns of page, got 0"),
        ("candidate_mask", lambda t: t.long(), r"candidate_mask must be \[B, M\]"),
        ("slots", lambda t: t + 1, r"slots must be between 0 and 4, got 5 for request 0"),
        ("temperature", lambda t: t * 0, r"temperature must be positive and finite, got 0"),
        ("pins", lambda t: t + 6, r"pins must be -1 or a candidate below 5, got 5 at slot 0"),
        ("greedy", lambda t: t[:2], r"greedy must be \[B\]"),
    ],
)
def test_what_does_not_fit_is_named(
    case: tuple[Tensor, RerankBatch], name: str, change: Any, words: str
) -> None:
    page, batch = case
    changed = batch._replace(**{name: change(getattr(batch, name))})
    with pytest.raises(RuntimeError, match=f"gerank::rank_page: {words}"):
        ops.rank_page(page, *changed)


@pytest.mark.parametrize("unknown", [-1, 3])
def test_an_id_without_a_row_is_named(case: tuple[Tensor, RerankBatch], unknown: int) -> None:
    page, batch = case
    ids = batch.candidate_ids.clone()
    ids[1, 2, 0] = unknown
    words = f"candidate_ids must be below 3 in column 0, got {unknown} of candidate 2 of request 1"
    with pytest.raises(IndexError, match=words):
        ops.rank_page(page, *batch._replace(candidate_ids=ids))
    with pytest.raises(IndexError, match="user_ids must be below 4 in column 0, got 9 of request"):
        ops.rank_page(page, *batch._replace(user_ids=torch.full_like(batch.user_ids, 9)))


def test_opcheck(case: tuple[Tensor, RerankBatch]) -> None:
    library.opcheck(torch.ops.gerank.rank_page.default, (case[0], *case[1]))


def test_no_requests_get_no_slates(case: tuple[Tensor, RerankBatch]) -> None:
    answer = ops.rank_page(case[0], *(tensor[:0] for tensor in case[1]))
    assert [list(part.shape) for part in answer] == [[0, 4]] * 3


def test_packing_wants_all_sizes_and_sections_in_its_types() -> None:
    with pytest.raises(ValueError, match="user_dense"):
        pack_page({}, {})
    with pytest.raises(ValueError, match="no packed page model of version 1"):
        read_offsets(torch.zeros(400))
    with pytest.raises(ValueError, match="no packed page model of version 1"):
        rewrite_maps(torch.zeros(2), torch.zeros(1, 2), torch.zeros(1, 2))
