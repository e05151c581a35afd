"""Whether a log can tell of a target policy at all: its importance weights must average 1.

Their expectation is 1 where the log may show whatever the target shows, and its propensities are
right. A log without exploration shows one slate per page: the weights of any other slate are 0, and
a self-normalised estimate is that of the pages on which both happen to agree. No interval tells of
it, since these pages agree with each other.
"""

from __future__ import annotations

from typing import NamedTuple

from numpy.typing import ArrayLike

from gerank.metrics.intervals import mean_interval

MARGIN = 0.05
"""How far from 1 the mean may be before estimates are not worth reading."""
_LEVEL = 0.999  # Many policies are looked at, and a false alarm takes an estimate away.


class MeanWeight(NamedTuple):
    """The mean of importance weights.

    Attributes:
        value: The mean over pages; 1 is expected.
        fits: Whether it is within `MARGIN` of 1, or may be so but for chance. If not: below 1 the
            log hardly shows what the target shows; above 1 its propensities are too small, or the
            target looks at the logged order.
    """

    value: float
    fits: bool


def mean_weight(weights: ArrayLike, people: ArrayLike, *, seed: int) -> MeanWeight:
    """Tests, by person, whether the weights have the mean that they must have.

    It is the control variate of Swaminathan and Joachims, "The self-normalized estimator for
    counterfactual learning", NeurIPS 2015, looked at by itself.

    Args:
        weights: [E]. Mean weight of each page, such as the denominators of `self_normalised`.
        people: [E]. Whose page it is.
        seed: Seeds the resampling.

    Raises:
        ValueError: Shapes, NaN, infinity, or fewer than two people.
    """
    found = mean_interval(weights, people, seed=seed, level=_LEVEL)
    fits = found.low <= 1.0 + MARGIN and found.high >= 1.0 - MARGIN
    return MeanWeight(found.estimate, fits)
