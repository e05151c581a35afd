"""Parts of a batch: more of them than pages are as many as pages, and cost no more."""

from __future__ import annotations

import tracemalloc
from typing import Any

import numpy as np
import pytest
import torch

from gerank.train.batch_parts import BatchPart, filled_bounds
from gerank.train.stage import Stage
from tests.train.process_cases import Cases, Found, learnt

PAGES = 3
MANY = 1_000_000


def split(pages: int, count: int) -> list[tuple[int, list[int]]]:
    """Where each part begins, and its pages; the batch lies behind seven pages of others."""
    batch = BatchPart(np.arange(pages) * 2, 7, pages + 9)
    parts = batch.split(count)
    assert {part.whole for part in parts} == {pages + 9}
    return [(part.first, part.places.tolist()) for part in parts]


def test_parts_hold_every_page_once_and_none_is_empty() -> None:
    assert split(5, 2) == [(7, [0, 2]), (9, [4, 6, 8])]
    assert split(3, 3) == [(7, [0]), (8, [2]), (9, [4])]
    assert split(3, 4) == split(3, 3)
    assert filled_bounds(0, 4) == []


def test_a_process_that_stands_in_has_one_part() -> None:
    part = BatchPart(np.arange(1), 0, 1, counts=False)
    assert part.split(4) == [part]


def test_parts_cost_what_their_pages_cost() -> None:
    tracemalloc.start()
    try:
        assert len(split(PAGES, MANY)) == PAGES
        assert len(filled_bounds(PAGES, MANY)) == PAGES
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < MANY  # bytes: less than one for each part that was asked for


@pytest.mark.parametrize("name", ["structured", "generator"])
def test_more_parts_than_pages_give_the_gradients_of_as_many_parts_as_pages(
    name: str, seed: int
) -> None:
    def found(parts: int) -> Found:
        cases = Cases(seed, parts)
        torch.manual_seed(seed)
        stage: Stage[Any] = getattr(cases, name)(PAGES)
        return learnt(stage, name, seed)

    many, as_many = found(MANY), found(PAGES)
    assert many.keys() == as_many.keys()
    assert any(float(value.abs().max()) > 0 for key, value in many.items() if "weight" in key)
    for key, value in as_many.items():
        assert torch.equal(many[key], value), key
