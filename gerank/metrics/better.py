"""Better percentage: how often a generated slate beats the slate that was shown."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import check_same_shape, real_array


class BetterPercentage(NamedTuple):
    """Generated against exposed slates of the same pages.

    Attributes:
        better: Share of pages, 0..1, whose generated slate has strictly the larger reward.
        tied: Share of pages with equal rewards. Ties are not counted as better, not even half.
        mean_difference: Mean of generated - exposed, in units of the reward. Against randomly
            ordered pages any sorter is better on half of them; this says by how much.
    """

    better: float
    tied: float
    mean_difference: float


def better_percentage(
    generated: ArrayLike, exposed: ArrayLike, tolerance: float = 0.0
) -> BetterPercentage:
    """Compare the rewards of generated and exposed slates, page by page.

    Judged by the evaluator that trained the generator this rewards exploiting its mistakes:
    report it by a held-out evaluator, or by the truth where that is known.

    Args:
        generated: [E]. Reward of each page's generated slate.
        exposed: [E]. Reward of the slate that was shown.
        tolerance: Differences up to this are ties; for rewards that rounding may tell apart
            although the slates are the same.

    Raises:
        ValueError: Shapes, NaN or infinity, or a negative tolerance.
    """
    ours = real_array("better_percentage: generated", generated, "E")
    theirs = real_array("better_percentage: exposed", exposed, "E")
    check_same_shape(generated=ours.shape, exposed=theirs.shape)
    if not tolerance >= 0:
        raise ValueError(f"better_percentage: tolerance is {tolerance}, not >= 0")
    difference = ours - theirs
    return BetterPercentage(
        better=float(np.mean(difference > tolerance)),
        tied=float(np.mean(np.abs(difference) <= tolerance)),
        mean_difference=float(np.mean(difference)),
    )
