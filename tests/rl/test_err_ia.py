from __future__ import annotations

import pytest
import torch

from gerank.rl import err_ia_by_slot


def test_err_ia_by_hand() -> None:
    # Half the users want group 7, a quarter group 8.
    clicks = torch.tensor([[0.4, 0.5, 0.6]])
    group = torch.tensor([[7, 8, 7]])
    intent = torch.tensor([[0.5, 0.25, 0.5]])
    expected = 0.5 * (0.4 / 1 + (1 - 0.4) * 0.6 / 3) + 0.25 * (0.5 / 2)
    mask = torch.ones(1, 3, dtype=torch.bool)
    assert err_ia_by_slot(clicks, group, intent, mask).sum(-1).item() == pytest.approx(expected)
    by_slot = [0.5 * 0.4, 0.25 * 0.5 / 2, 0.5 * (1 - 0.4) * 0.6 / 3]
    assert err_ia_by_slot(clicks, group, intent, mask).tolist() == [pytest.approx(by_slot)]


def loop(clicks: list[float], groups: list[int], intent: list[float], mask: list[bool]) -> float:
    total = 0.0
    for wanted in {group for group, real in zip(groups, mask, strict=True) if real and group >= 0}:
        reads_on, gain = 1.0, 0.0
        for slot, group in enumerate(groups):
            if mask[slot] and group == wanted:
                gain += reads_on * clicks[slot] / (slot + 1) * intent[slot]
                reads_on *= 1 - clicks[slot]
        total += gain
    return total


@pytest.mark.parametrize("shape", [(5, 7), (3, 2, 6)])
def test_err_ia_is_that_of_a_direct_loop_over_users_wishes(
    seed: int, shape: tuple[int, ...]
) -> None:
    source = torch.Generator().manual_seed(seed)
    groups = torch.randint(-1, 4, shape, generator=source)
    clicks, mask = torch.rand(shape, generator=source), torch.rand(shape, generator=source) < 0.7
    intent = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.0])[groups]
    found = err_ia_by_slot(clicks, groups, intent, mask).sum(-1)
    assert found.shape == shape[:-1]
    pages = zip(*(t.flatten(0, -2).tolist() for t in (clicks, groups, intent, mask)), strict=True)
    torch.testing.assert_close(found.flatten(), torch.tensor([loop(*page) for page in pages]))
    assert ((found >= 0) & (found <= 1)).all()


def test_a_second_item_of_a_group_adds_less_than_one_of_another() -> None:
    clicks, mask = torch.full((1, 2), 0.5), torch.ones(1, 2, dtype=torch.bool)
    intent = torch.full((1, 2), 0.5)
    same, other = (
        err_ia_by_slot(clicks, torch.tensor([groups]), intent, mask).sum(-1).item()
        for groups in ([3, 3], [3, 4])
    )
    assert other == pytest.approx(0.5 * 0.5 + 0.5 * 0.5 / 2)
    assert same == pytest.approx(0.5 * 0.5 + 0.5 * 0.5 * 0.5 / 2)


def test_gradients_are_those_of_finite_differences(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    clicks = torch.rand(3, 4, dtype=torch.float64, generator=source).requires_grad_()
    groups = torch.randint(-1, 2, (3, 4), generator=source)
    intent = torch.rand(3, 4, dtype=torch.float64, generator=source)
    mask = torch.rand(3, 4, generator=source) < 0.7
    assert torch.autograd.gradcheck(
        lambda c: err_ia_by_slot(c, groups, intent, mask).sum(-1), (clicks,)
    )


def test_wrong_shapes_are_named() -> None:
    page, mask = torch.rand(2, 3), torch.ones(2, 3, dtype=torch.bool)
    with pytest.raises(ValueError, match=r"err_ia: group must be \[2, 3\].*got \[2, 2\]"):
        err_ia_by_slot(page, torch.zeros(2, 2, dtype=torch.int64), page, mask).sum(-1)
    with pytest.raises(ValueError, match=r"err_ia: intent must be \[2, 3\]"):
        err_ia_by_slot(page, torch.zeros(2, 3, dtype=torch.int64), page[:1], mask).sum(-1)
    with pytest.raises(ValueError, match="err_ia: slot_mask must be bool"):
        err_ia_by_slot(page, torch.zeros(2, 3, dtype=torch.int64), page, page).sum(-1)
