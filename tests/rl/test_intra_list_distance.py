from __future__ import annotations

import math

import pytest
import torch

from gerank.rl import intra_list_distance_by_slot


def test_distance_by_hand() -> None:
    # Right angle, opposite, and the right angle between the other two.
    vectors = torch.tensor([[[2.0, 0.0], [0.0, 5.0], [-1.0, 0.0]]])
    expected = 2 / (3 * 2) * ((1 - 0) / 2 + (1 + 1) / 2 + (1 - 0) / 2)
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert intra_list_distance_by_slot(vectors, mask).sum(-1).item() == pytest.approx(expected)
    by_slot = [0, (1 - 0) / 2 / 3, ((1 + 1) / 2 + (1 - 0) / 2) / 3]
    assert intra_list_distance_by_slot(vectors, mask).tolist() == [pytest.approx(by_slot)]


@pytest.mark.parametrize("shape", [(5, 6, 3), (2, 3, 4, 2)])
def test_distance_is_that_of_a_direct_loop(seed: int, shape: tuple[int, ...]) -> None:
    source = torch.Generator().manual_seed(seed)
    vectors, mask = (
        torch.randn(shape, generator=source),
        torch.rand(shape[:-1], generator=source) < 0.7,
    )
    found = intra_list_distance_by_slot(vectors, mask).sum(-1)
    assert found.shape == shape[:-2]
    pages = zip(vectors.flatten(0, -3).tolist(), mask.flatten(0, -2).tolist(), strict=True)
    for page, (items, real) in enumerate(pages):
        kept = [item for item, there in zip(items, real, strict=True) if there]
        pairs = [
            (1 - sum(map(math.prod, zip(a, b, strict=True))) / (math.hypot(*a) * math.hypot(*b)))
            / 2
            for i, a in enumerate(kept)
            for b in kept[i + 1 :]
        ]
        expected = sum(pairs) / len(pairs) if pairs else 0.0
        assert found.flatten()[page].item() == pytest.approx(expected, abs=1e-5)


def test_equal_items_have_no_distance_and_a_zero_vector_lies_half_way() -> None:
    mask = torch.ones(1, 2, dtype=torch.bool)
    assert intra_list_distance_by_slot(torch.ones(1, 2, 4), mask).sum(-1).item() == pytest.approx(
        0.0, abs=1e-6
    )
    half = torch.tensor([[[0.0, 0.0], [1.0, 2.0]]])
    assert intra_list_distance_by_slot(half, mask).sum(-1).item() == 0.5


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"intra_list_distance: vectors must be \[..., N, F\]"):
        intra_list_distance_by_slot(torch.rand(3), torch.ones(3, dtype=torch.bool)).sum(-1)
    with pytest.raises(ValueError, match=r"intra_list_distance: slot_mask must be \[2, 3\]"):
        intra_list_distance_by_slot(torch.rand(2, 3, 4), torch.ones(2, 4, dtype=torch.bool)).sum(-1)
