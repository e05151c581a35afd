from __future__ import annotations

import pytest
import torch

from gerank.rl import at_last_slot, slot_returns


def test_returns_by_hand() -> None:
    credits = torch.tensor([[1.0, 2.0, 4.0], [0.0, 0.0, 8.0]])
    assert slot_returns(credits).tolist() == [[1 + 2 + 4, 2 + 4, 4], [8, 8, 8]]
    half = [[1 + 2 / 2 + 4 / 4, 2 + 4 / 2, 4], [8 / 4, 8 / 2, 8]]
    assert slot_returns(credits, 0.5).tolist() == half
    assert slot_returns(credits, 0.0).tolist() == credits.tolist()


@pytest.mark.parametrize("discount", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize("shape", [(7,), (3, 1), (2, 3, 5), (2, 1, 128)])
def test_returns_are_those_of_a_direct_loop(
    seed: int, shape: tuple[int, ...], discount: float
) -> None:
    source = torch.Generator().manual_seed(seed)
    credits = torch.randn(shape, dtype=torch.float64, generator=source)
    expected, later = torch.empty(shape, dtype=torch.float64), torch.zeros(shape[:-1]).double()
    for slot in reversed(range(shape[-1])):
        later = credits[..., slot] + discount * later
        expected[..., slot] = later
    torch.testing.assert_close(slot_returns(credits, discount), expected)


def test_credit_of_slots_above_counts_where_they_look_below_by_hand() -> None:
    credits = torch.tensor([1.0, 2.0, 4.0, 8.0])
    assert slot_returns(credits, below=1).tolist() == [15, 15, 14, 12]
    assert slot_returns(credits, below=3).tolist() == [15] * 4
    half = [1 + 2 / 2 + 4 / 4 + 8 / 8, 1 + 2 + 4 / 2 + 8 / 4, 2 + 4 + 8 / 2, 4 + 8]
    assert slot_returns(credits, 0.5, below=1).tolist() == half


def test_what_stands_at_the_last_slot_is_in_every_return(seed: int) -> None:
    value = torch.randn(4, 2, generator=torch.Generator().manual_seed(seed))
    credits = at_last_slot(value, 3)
    assert credits.shape == (4, 2, 3)
    assert torch.equal(credits.sum(-1), value)
    assert torch.equal(slot_returns(credits), value.unsqueeze(-1).expand(-1, -1, 3))
    assert not credits[..., :-1].any()
    assert at_last_slot(value, 1).shape == (4, 2, 1)


def test_wrong_arguments_are_named() -> None:
    with pytest.raises(ValueError, match=r"slot_returns: credits must be \[..., N\] and not empty"):
        slot_returns(torch.zeros(2, 0))
    with pytest.raises(ValueError, match="slot_returns: credits must be floating point"):
        slot_returns(torch.ones(2, 3, dtype=torch.int64))
    for discount in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match=rf"discount must be in 0..1, got {discount}"):
            slot_returns(torch.ones(2, 3), discount)
    with pytest.raises(ValueError, match="slot_returns: below must be >= 0, got -1"):
        slot_returns(torch.ones(2, 3), below=-1)
    with pytest.raises(ValueError, match="at_last_slot: slots must be >= 1, got 0"):
        at_last_slot(torch.ones(2), 0)
