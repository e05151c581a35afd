from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics import better_percentage


def test_better_percentage_by_hand_counts_no_tie() -> None:
    assert better_percentage([2.0, 1.0, 0.0, 5.0], [1.0, 1.0, 1.0, 1.0]) == 100 * 2 / 4


def test_a_slate_against_itself_is_never_better() -> None:
    rewards = np.random.default_rng(3).normal(size=20)
    assert better_percentage(rewards, rewards) == 0.0


@pytest.mark.parametrize("seed", range(3))
def test_the_two_comparisons_and_the_ties_share_out_all_pages(seed: int) -> None:
    ours, theirs = np.random.default_rng(seed).integers(0, 4, size=(2, 50))
    both = better_percentage(ours, theirs) + better_percentage(theirs, ours)
    assert both + 100 * np.mean(ours == theirs) == pytest.approx(100, abs=1e-9)


@pytest.mark.parametrize(
    ("generated", "exposed", "message"),
    [
        ([1.0, np.nan], [1.0, 1.0], r"generated\[1\] is nan"),
        ([1.0, 1.0], [-np.inf, 1.0], r"exposed\[0\] is -inf"),
        ([1.0], [1.0, 1.0], r"exposed: shape \[2\] is not that of generated \[1\]"),
    ],
)
def test_better_percentage_names_what_is_wrong(
    generated: list[float], exposed: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        better_percentage(generated, exposed)
