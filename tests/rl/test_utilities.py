from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from gerank.rl import (
    diversity_by_slot,
    expected_clicks_by_slot,
    group_ordering_by_slot,
    page_click,
)

SHAPES = [(5, 7), (3, 2, 6)]
ALL = torch.ones(1, 4, dtype=torch.bool)


def diversity(group: Tensor, mask: Tensor, window: int | None = None) -> Tensor:
    """[...] float32: the value of each slate, as training has it."""
    return diversity_by_slot(group, mask, window).sum(dim=-1).float()


def group_ordering(priority: Tensor, mask: Tensor) -> Tensor:
    """[...] float32: the value of each slate, as training has it."""
    return group_ordering_by_slot(priority, mask).sum(dim=-1).float()


def expected_clicks(probability: Tensor, mask: Tensor) -> Tensor:
    """[...] the value of each slate."""
    return expected_clicks_by_slot(probability, mask).sum(dim=-1)


def random_page(seed: int, shape: tuple[int, ...]) -> tuple[Tensor, Tensor]:
    """(groups -1..2, slot mask with holes)."""
    generator = torch.Generator().manual_seed(seed)
    groups = torch.randint(-1, 3, shape, generator=generator)
    return groups, torch.rand(shape, generator=generator) < 0.7


def loop_diversity(groups: list[int], mask: list[bool], window: int | None) -> float:
    fresh = 0
    for i, group in enumerate(groups):
        start = 0 if window is None else max(0, i - window)
        before = [groups[j] for j in range(start, i) if mask[j]]
        fresh += mask[i] and (group == -1 or group not in before)
    return fresh / max(1, sum(mask))


def loop_ordering(priorities: list[float], mask: list[bool]) -> float:
    there = [priority for priority, real in zip(priorities, mask, strict=True) if real]
    size = len(there)
    if size < 2:
        return 1.0
    ordered = sum(there[i] >= there[j] for j in range(size) for i in range(j))
    return 2 / (size * (size - 1)) * ordered


def test_diversity_by_hand() -> None:
    group = torch.tensor([[1, 2, 1, 1]])
    assert diversity(group, ALL).item() == 2 / 4  # 1 and 2 are new.
    assert diversity(group, ALL, window=1).item() == 3 / 4  # So is 1 after 2.
    assert diversity(group, ALL, window=2).item() == 2 / 4


def test_an_empty_slot_repeats_nothing_but_keeps_its_place() -> None:
    group, mask = torch.tensor([[1, 1, 1]]), torch.tensor([[True, False, True]])
    assert diversity(group, mask, window=1).item() == 2 / 2
    assert diversity(group, mask, window=2).item() == 1 / 2


def test_candidates_without_a_group_repeat_nothing() -> None:
    assert diversity(torch.tensor([[-1, -1, 3, 3]]), ALL).item() == 3 / 4


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("window", [None, 1, 3, 50])
@pytest.mark.parametrize("seed", range(3))
def test_diversity_is_that_of_a_direct_loop(
    seed: int, window: int | None, shape: tuple[int, ...]
) -> None:
    groups, mask = random_page(seed, shape)
    result = diversity(groups, mask, window)
    assert result.shape == shape[:-1]
    pages = zip(groups.flatten(0, -2).tolist(), mask.flatten(0, -2).tolist(), strict=True)
    expected = [loop_diversity(group, real, window) for group, real in pages]
    torch.testing.assert_close(result.flatten(), torch.tensor(expected))


def test_group_ordering_by_hand() -> None:
    # Pairs in order: (2,1) (2,1) (1,1) of all six; (0,.) are out of order.
    ordering = group_ordering(torch.tensor([[0.0, 2.0, 1.0, 1.0]]), ALL)
    assert ordering.item() == pytest.approx(2 / (4 * 3) * 3)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("seed", range(3))
def test_group_ordering_is_that_of_a_direct_loop(seed: int, shape: tuple[int, ...]) -> None:
    priority, mask = random_page(seed, shape)
    result = group_ordering(priority, mask)
    assert result.shape == shape[:-1]
    pages = zip(priority.flatten(0, -2).tolist(), mask.flatten(0, -2).tolist(), strict=True)
    expected = [loop_ordering(values, real) for values, real in pages]
    torch.testing.assert_close(result.flatten(), torch.tensor(expected))


def test_pages_of_fewer_than_two_candidates_are_in_order() -> None:
    mask = torch.tensor([[False, True, False], [False, False, False]])
    assert group_ordering(torch.randn(2, 3), mask).tolist() == [1.0, 1.0]


def test_a_page_without_candidates_has_no_diversity_and_no_clicks() -> None:
    nothing = torch.zeros(2, 3, dtype=torch.bool)
    assert diversity(torch.ones(2, 3, dtype=torch.int64), nothing).tolist() == [0, 0]
    assert expected_clicks(torch.rand(2, 3), nothing).tolist() == [0, 0]
    assert page_click(torch.rand(2, 3), nothing).tolist() == [0, 0]


def test_credit_by_slot_by_hand() -> None:
    group = torch.tensor([[1, 2, 1, 1]])
    assert diversity_by_slot(group, ALL).tolist() == [[1 / 4, 1 / 4, 0, 0]]
    # There are six pairs; slot 2 is in order with slot 1, and slot 3 with slots 1 and 2.
    priority = torch.tensor([[0.0, 2.0, 1.0, 1.0]])
    assert group_ordering_by_slot(priority, ALL).tolist() == [[0, 0, 1 / 6, 2 / 6]]
    clicks, mask = torch.tensor([[0.5, 0.25, 0.75]]), torch.tensor([[True, False, True]])
    assert expected_clicks_by_slot(clicks, mask).tolist() == [[0.5, 0, 0.75]]


def test_a_page_of_fewer_than_two_candidates_has_its_order_at_the_last_slot() -> None:
    mask = torch.tensor([[False, True, False], [False, False, False]])
    assert group_ordering_by_slot(torch.randn(2, 3), mask).tolist() == [[0, 0, 1], [0, 0, 1]]


def test_what_a_slot_adds_does_not_depend_on_later_slots(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    mask = torch.rand(20, 6, generator=source) < 0.8
    mask[:, :2] = True
    one, other = torch.randint(-1, 3, (2, 20, 6), generator=source)
    other = torch.cat([one[:, :4], other[:, 4:]], dim=1)
    for credit in (diversity_by_slot, group_ordering_by_slot):
        assert torch.equal(credit(one, mask)[:, :4], credit(other, mask)[:, :4])
        assert not torch.equal(credit(one, mask), credit(other, mask))


def test_slates_that_are_as_good_have_the_same_value_to_the_last_digit(seed: int) -> None:
    # Every order of distinct groups and one repetition: where it stands makes no difference.
    source = torch.Generator().manual_seed(seed)
    order = torch.rand(200, 10, generator=source).argsort(dim=-1)
    group = torch.tensor([0, 0, 2, 3, 4, 5, 6, 7, 8, 9])[order]
    mask = torch.ones(200, 10, dtype=torch.bool)
    assert set(diversity(group, mask).tolist()) == {torch.tensor(0.9).item()}
    pairs = group_ordering(order, mask) * 45
    assert torch.equal(group_ordering(order, mask), pairs.round() / 45)


def test_expected_clicks_and_page_click_by_hand() -> None:
    probability = torch.tensor([[0.5, 0.2, 0.9]])
    mask = torch.tensor([[True, True, False]])
    assert expected_clicks(probability, mask).item() == pytest.approx(0.5 + 0.2)
    assert page_click(probability, mask).item() == pytest.approx(1 - (1 - 0.5) * (1 - 0.2))


def test_page_click_is_the_share_of_pages_with_any_click() -> None:
    generator = torch.Generator().manual_seed(3)
    probability = torch.rand(1, 5, generator=generator) * 0.4
    clicks = torch.rand(100_000, 5, generator=generator) < probability
    mask = torch.ones(1, 5, dtype=torch.bool)
    assert page_click(probability, mask).item() == pytest.approx(
        clicks.any(dim=1).double().mean().item(), abs=0.006
    )
    assert expected_clicks(probability, mask).item() == pytest.approx(
        clicks.sum(dim=1).double().mean().item(), abs=0.012
    )


@pytest.mark.parametrize("utility", [expected_clicks, page_click])
def test_click_utilities_pass_gradients_to_real_slots_only(
    utility: Callable[[Tensor, Tensor], Tensor],
) -> None:
    generator = torch.Generator().manual_seed(7)
    probability = torch.rand(4, 2, 5, dtype=torch.float64, generator=generator).requires_grad_()
    mask = torch.rand(4, 2, 5, generator=generator) < 0.6
    assert torch.autograd.gradcheck(lambda p: utility(p, mask), (probability,))
    (gradient,) = torch.autograd.grad(utility(probability, mask).sum(), probability)
    assert (gradient[~mask] == 0).all()
    assert (gradient[mask] > 0).all()


@pytest.mark.parametrize("name", ["diversity", "group_ordering", "expected_clicks", "page_click"])
def test_wrong_shapes_and_dtypes_are_named(name: str) -> None:
    utility = {
        "diversity": diversity,
        "group_ordering": group_ordering,
        "expected_clicks": expected_clicks,
        "page_click": page_click,
    }[name]
    page = torch.rand(2, 3)
    with pytest.raises(ValueError, match=rf"{name}: slot_mask must be \[2, 3\].*got \[2, 4\]"):
        utility(page, torch.ones(2, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=rf"{name}: slot_mask must be bool, got torch.float32"):
        utility(page, torch.ones(2, 3))
    with pytest.raises(ValueError, match=rf"{name}: .* must be \[..., N\] and not empty"):
        utility(torch.rand(2, 0), torch.ones(2, 0, dtype=torch.bool))


def test_a_window_below_one_is_named() -> None:
    with pytest.raises(ValueError, match="diversity: window must be None or >= 1, got 0"):
        diversity(torch.zeros(1, 4, dtype=torch.int64), ALL, window=0)


def test_click_probabilities_must_be_real_numbers() -> None:
    with pytest.raises(ValueError, match=r"click_probability must be floating point, got torch.i"):
        expected_clicks(torch.ones(1, 4, dtype=torch.int64), ALL)
