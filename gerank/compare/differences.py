"""The reference against every other re-ranker: paired differences that are corrected together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gerank.compare.results import Policy
from gerank.metrics.holm import holm, holm_levels
from gerank.metrics.intervals import Interval
from gerank.metrics.resampling import Resampled, resampled_means

LEVEL = 0.95


class Told(StrEnum):
    """What a comparison with the reference says."""

    HIGHER = "reference is higher"
    LOWER = "reference is lower"
    NEITHER = "not told apart"


class Difference(NamedTuple):
    """What the reference has more than another re-ranker.

    Attributes:
        gain: With the interval at the level at which Holm's procedure looks at it.
        p_value: Adjusted by Holm's procedure.
        told: What that says.
    """

    gain: Interval
    p_value: float
    told: Told


@dataclass(frozen=True)
class Differences:
    """One measure.

    Attributes:
        measure: Its name.
        reference: The name of the re-ranker that the others are compared with.
        pages: How many pages have a value of every re-ranker.
        means: Name -> mean over pages and seeds; without an interval where there are too few
            people, and None where no page has a value.
        against: Name of every other re-ranker -> the difference; empty where people are too few.
    """

    measure: str
    reference: str
    pages: int
    means: dict[str, Interval | float | None]
    against: dict[str, Difference]

    def names(self, told: Told) -> list[str]:
        """The re-rankers that this is told of."""
        return [name for name, found in self.against.items() if found.told is told]


def differences(
    measure: str,
    policies: Mapping[str, Policy],
    reference: str,
    people: NDArray[np.str_],
    *,
    seed: int,
    resamples: int,
) -> Differences:
    """Means of a measure, and the reference's paired difference from every other policy.

    Pages without a value, as without a click for NDCG, are left out for all. Differences have
    intervals by person and seed at the level at which Holm's procedure looks at them: together,
    the comparisons of a measure err with a probability of five per cent.

    Args:
        measure: Which of the policies' measures.
        policies: By name.
        reference: One of them.
        people: [E]. Whose page it is.
        seed: Seeds the resampling.
        resamples: How often people and seeds are drawn anew.
    """
    values = [policy.measures[measure] for policy in policies.values()]
    kept = ~np.isnan(np.concatenate(values)).any(axis=0)
    pages = int(kept.sum())
    if len(np.unique(people[kept])) < 2:
        means = (float(table[:, kept].mean()) if pages else None for table in values)
        plain = dict(zip(policies, means, strict=True))
        return Differences(measure, reference, pages, {**plain}, {})
    tables = [table[:, kept] for table in values]
    found = resampled_means(tables, people[kept], seed=seed, resamples=resamples)
    drawn = dict(zip(policies, found, strict=True))
    intervals = {name: each.interval(LEVEL) for name, each in drawn.items()}
    return Differences(measure, reference, pages, {**intervals}, _against(drawn, reference))


def _against(drawn: Mapping[str, Resampled], reference: str) -> dict[str, Difference]:
    gains = {n: drawn[reference].minus(other) for n, other in drawn.items() if n != reference}
    if not gains:
        return {}
    p_values = [gain.p_value() for gain in gains.values()]
    found = {}
    for (name, gain), level, adjusted in zip(
        gains.items(), holm_levels(p_values, LEVEL), holm(p_values), strict=True
    ):
        told = Told.NEITHER
        if adjusted < 1 - LEVEL:
            told = Told.HIGHER if gain.estimate > 0 else Told.LOWER
        found[name] = Difference(gain.interval(float(level)), float(adjusted), told)
    return found
