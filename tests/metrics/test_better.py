from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics import better_percentage


def test_shares_and_mean_difference_by_hand() -> None:
    result = better_percentage([2.0, 1.0, 0.0, 5.0], [1.0, 1.0, 1.0, 1.0])
    assert result == (2 / 4, 1 / 4, (1 + 0 - 1 + 4) / 4)


def test_a_slate_against_itself_is_never_better() -> None:
    rewards = np.random.default_rng(3).normal(size=20)
    assert better_percentage(rewards, rewards) == (0.0, 1.0, 0.0)


@pytest.mark.parametrize("seed", range(3))
def test_better_tied_and_the_reverse_comparison_share_out_all_pages(seed: int) -> None:
    ours, theirs = np.random.default_rng(seed).integers(0, 4, size=(2, 50))
    forward, backward = better_percentage(ours, theirs), better_percentage(theirs, ours)
    assert forward.better + backward.better + forward.tied == pytest.approx(1, abs=1e-12)
    assert forward.tied == backward.tied
    assert forward.mean_difference == -backward.mean_difference


def test_differences_within_the_tolerance_are_ties() -> None:
    result = better_percentage([1.0 + 1e-7, 2.0], [1.0, 1.0], tolerance=1e-6)
    assert (result.better, result.tied) == (0.5, 0.5)


@pytest.mark.parametrize(
    ("generated", "exposed", "tolerance", "message"),
    [
        ([1.0, np.nan], [1.0, 1.0], 0.0, r"generated\[1\] is nan"),
        ([1.0, 1.0], [-np.inf, 1.0], 0.0, r"exposed\[0\] is -inf"),
        ([1.0], [1.0, 1.0], 0.0, r"exposed: shape \[2\] is not that of generated \[1\]"),
        ([1.0], [1.0], -1.0, "tolerance is -1.0, not >= 0"),
        ([1.0], [1.0], np.nan, "tolerance is nan"),
    ],
)
def test_better_percentage_names_what_is_wrong(
    generated: list[float], exposed: list[float], tolerance: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        better_percentage(generated, exposed, tolerance)
