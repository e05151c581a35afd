from __future__ import annotations

import pytest
import torch

from gerank.rl import utility_scales, weighted_reward, weighted_terms


def test_reward_by_hand_for_one_slate_and_for_several() -> None:
    weights = torch.tensor([[1.0, 0.5], [2.0, 0.0]])
    one = torch.tensor([[3.0, 4.0], [5.0, 6.0]])
    assert weighted_reward(one, weights).tolist() == [1 * 3 + 0.5 * 4, 2 * 5 + 0 * 6]
    several = torch.tensor([[[3.0, 4.0], [1.0, 1.0], [0.0, 2.0]], [[5.0, 6.0]] * 3])
    assert weighted_reward(several, weights).tolist() == [[5, 1.5, 1], [10, 10, 10]]


@pytest.mark.parametrize("slates", [1, 2, 3])
@pytest.mark.parametrize("seed", range(3))
def test_every_request_is_weighed_by_its_own_weights(seed: int, slates: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    utilities = torch.rand(3, slates, 2, generator=generator)
    weights = torch.rand(3, 2, generator=generator)
    expected = [
        [sum(weights[b, u] * utilities[b, g, u] for u in range(2)) for g in range(slates)]
        for b in range(3)
    ]
    torch.testing.assert_close(weighted_reward(utilities, weights), torch.tensor(expected))


def test_by_slot_every_slot_is_weighed_alike(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    credit, weights = torch.rand(3, 2, 4, 5, generator=source), torch.rand(3, 5, generator=source)
    by_slot = weighted_reward(credit, weights)
    assert by_slot.shape == (3, 2, 4)
    for slot in range(4):
        expected = weighted_reward(credit[:, :, slot], weights)
        torch.testing.assert_close(by_slot[..., slot], expected)


@pytest.mark.parametrize("shape", [(4, 3), (4, 5, 3), (4, 5, 2, 3)])
def test_the_terms_sum_to_the_reward(shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(1)
    utilities = torch.randn(shape, generator=generator)
    weights = torch.randn(4, 3, generator=generator)
    terms = weighted_terms(utilities, weights)
    assert terms.shape == utilities.shape
    torch.testing.assert_close(terms.sum(dim=-1), weighted_reward(utilities, weights))
    torch.testing.assert_close(terms[2, ..., 1], weights[2, 1] * utilities[2, ..., 1])


@pytest.mark.parametrize(
    ("utilities", "weights", "message"),
    [
        (torch.rand(2, 3), torch.rand(3), r"weights must be \[B, U\] and not empty, got \[3\]"),
        (torch.rand(2, 3), torch.rand(1, 3), r"weights must be \[2, 3\] like the others"),
        (torch.rand(2, 3), torch.rand(2, 2), r"weights must be \[2, 3\] like the others"),
        (torch.rand(2, 4, 3), torch.rand(4, 3), r"weights must be \[2, 3\] like the others"),
        (torch.rand(3), torch.rand(1, 3), r"utilities must be \[B, G, U\] and not empty"),
        (torch.ones(2, 3, dtype=torch.int64), torch.rand(2, 3), "utilities must be floating"),
        (torch.rand(2, 3), torch.ones(2, 3, dtype=torch.int64), "weights must be floating"),
    ],
)
def test_wrong_shapes_and_dtypes_are_named(
    utilities: torch.Tensor, weights: torch.Tensor, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        weighted_reward(utilities, weights)


def test_scales_by_hand() -> None:
    # First utility: variances 2 and 0 within the pages, whatever lies between the pages.
    utilities = torch.tensor([[[1.0, 5.0], [3.0, 5.0]], [[100.0, 7.0], [100.0, 7.0]]])
    assert utility_scales(utilities).tolist() == [pytest.approx(((2 + 0) / 2) ** 0.5), 1.0]


def test_a_scaled_utility_deviates_by_one_within_its_pages(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    spread = torch.tensor([0.01, 1.0, 30.0])
    utilities = spread * torch.randn(50, 4, 3, generator=source) + 7 * torch.randn(50, 1, 3)
    scaled = utilities / utility_scales(utilities)
    torch.testing.assert_close(scaled.var(dim=1).mean(dim=0), torch.ones(3))


def test_scales_need_two_slates_per_page() -> None:
    with pytest.raises(ValueError, match="utility_scales: needs P >= 2 slates per page, got 1"):
        utility_scales(torch.rand(3, 1, 2))
