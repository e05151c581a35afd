"""Where the log has data: ranges of item strength per slot."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from gerank.nn.support import Support


def test_the_ranges_are_quantiles_of_what_was_shown(seed: int) -> None:
    source = torch.Generator().manual_seed(seed)
    strength = torch.randn(500, 4, generator=source) + torch.arange(4)
    mask = torch.rand(500, 4, generator=source) < 0.6
    support = Support.of(strength, mask)
    for slot in range(4):
        logged = strength[mask[:, slot], slot].double().numpy()
        low, high = np.quantile(logged, [0.01, 0.99])
        assert support.low[slot].item() == pytest.approx(low, abs=1e-5)
        assert support.high[slot].item() == pytest.approx(high, abs=1e-5)


def test_what_stands_in_empty_slots_does_not_enter(seed: int) -> None:
    torch.manual_seed(seed)
    strength, mask = torch.randn(50, 3), torch.rand(50, 3) < 0.7
    plain, other = (Support.of(s, mask) for s in (strength, torch.where(mask, strength, 1e9)))
    assert torch.equal(plain.low, other.low)
    assert torch.equal(plain.high, other.high)


def test_of_a_slot_that_no_page_shows_everything_is_outside_but_one_point() -> None:
    strength = torch.tensor([[1.0, 5.0, 0.0], [3.0, 7.0, 0.0]])
    mask = torch.tensor([[True, True, False], [True, True, False]])
    support = Support.of(strength, mask)
    assert support.low[2] == support.high[2] == pytest.approx(6.0)
    assert support.distance(torch.tensor([2.0, 6.0, 6.5]))[2] > 0


def test_a_log_that_shows_nothing_has_empty_ranges() -> None:
    support = Support.of(torch.ones(3, 2), torch.zeros(3, 2, dtype=torch.bool))
    assert support.distance(torch.tensor([4.0, -3.0])).tolist() == [4.0, 3.0]


def test_the_distance_is_that_to_the_nearer_end() -> None:
    support = Support(torch.tensor([-1.0, 0.0]), torch.tensor([1.0, 4.0]))
    strength = torch.tensor([[-3.0, 2.0], [0.5, -0.5], [1.5, 6.0], [1.0, 4.0]])
    assert support.distance(strength).tolist() == [[2.0, 0.0], [0.0, 0.5], [0.5, 2.0], [0.0, 0.0]]


def test_a_shorter_slate_is_measured_in_its_own_slots() -> None:
    support = Support(torch.tensor([0.0, 5.0, 7.0]), torch.tensor([1.0, 6.0, 8.0]))
    assert support.distance(torch.tensor([[2.0, 5.0]])).tolist() == [[1.0, 0.0]]


def test_outside_is_the_share_of_filled_slots() -> None:
    support = Support(torch.tensor([0.0, 0.0]), torch.tensor([1.0, 1.0]))
    strength = torch.tensor([[2.0, 0.5], [0.5, 9.0], [-1.0, 9.0]])
    mask = torch.tensor([[True, True], [True, False], [True, True]])
    assert support.outside(strength, mask) == pytest.approx(3 / 5)
    assert support.outside(strength, torch.zeros(3, 2, dtype=torch.bool)) == 0.0


def test_the_log_itself_lies_inside_but_for_two_per_cent(seed: int) -> None:
    torch.manual_seed(seed)
    strength, mask = torch.randn(2000, 3), torch.ones(2000, 3, dtype=torch.bool)
    outside = Support.of(strength, mask).outside(strength, mask)
    assert outside == pytest.approx(0.02, abs=0.002)
