"""Whether a log overlaps with a target policy, so that logged clicks can tell of the target.

Importance weights average 1 where the log may show whatever the target shows, and its propensities
are right. A log without exploration shows one slate per page: the weights of all others are 0, and
a self-normalised estimate is that of the pages on which both happen to agree. No interval tells of
it, since these pages agree with each other. And where few pages carry the weight, an interval that
draws them anew knows nothing of the heavier ones that were not drawn.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import check_same_shape, real_array
from gerank.metrics.importance_weights import effective_sample_size
from gerank.metrics.intervals import mean_interval

LEAST_PAGES = 30.0
"""Fewer effective pages are too few: see `benchmarks/off_policy_coverage.py`."""
_LEVEL = 0.999  # Many policies are looked at, and a false alarm takes an estimate away.
_ROUNDING = 1e-6  # Propensities arrive as float32.


class CanTell(StrEnum):
    """Whether logged clicks can tell what a target policy would earn, and why not.

    `TOO_FEW`: fewer than `LEAST_PAGES` effective pages. `OTHER_SLATES`: the weights average less
    than 1, for the log hardly shows what the target shows. `ABOVE_ONE`: they average more, for the
    log's propensities are too small, or the target looks at the logged order.
    """

    YES = "yes"
    TOO_FEW = "no: too few pages"
    OTHER_SLATES = "no: it shows other slates"
    ABOVE_ONE = "no: weights above 1"


class Overlap(NamedTuple):
    """What the importance weights of a target say of the log.

    Attributes:
        mean_weight: Over all slots that the target fills; 1 is expected.
        effective_pages: How many unweighted pages carry as much as the weighted ones, 0..E.
        can_tell: What follows from both; the mean may differ from 1 by chance.
    """

    mean_weight: float
    effective_pages: float
    can_tell: CanTell


def overlap(
    weights: ArrayLike, target_slots: ArrayLike, people: ArrayLike, *, seed: int
) -> Overlap:
    """How a log overlaps with a target policy.

    The mean of the weights is the control variate of Swaminathan and Joachims, "The self-normalized
    estimator for counterfactual learning", NeurIPS 2015, looked at by itself.

    Args:
        weights: [E, N], such as `placement_weights`. >= 0.
        target_slots: [E]. How many of the N slots the target fills.
        people: [E]. Whose page it is; where all are of one person, pages stand for people.
        seed: Seeds the resampling.

    Raises:
        ValueError: Shapes, NaN, infinity or a negative weight.
    """
    values = real_array("overlap: weights", weights, "EN")
    filled = real_array("overlap: target_slots", target_slots, "E")
    check_same_shape(weights=values.shape[:1], target_slots=filled.shape)
    pages = values.sum(axis=1)  # [E]
    effective = float(effective_sample_size(pages[:, None])[0])
    if not filled.any():
        return Overlap(0.0, effective, CanTell.OTHER_SLATES)
    scaled = pages / filled.mean()
    mean = float(scaled.mean())
    if values.max() <= 1.0 + _ROUNDING:  # The log shows one slate: one weight of 0 is enough.
        told = CanTell.YES if mean >= 1.0 - _ROUNDING else CanTell.OTHER_SLATES
    elif effective < LEAST_PAGES:
        told = CanTell.TOO_FEW
    else:
        units = np.asarray(people)
        units = units if len(np.unique(units)) > 1 else np.arange(len(units))
        found = mean_interval(scaled, units, seed=seed, level=_LEVEL)
        told = CanTell.YES if found.low <= 1.0 else CanTell.ABOVE_ONE
        told = told if found.high >= 1.0 else CanTell.OTHER_SLATES
    return Overlap(mean, effective, told)
