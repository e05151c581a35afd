"""Means of many things over the same resamples of people: for differences between them.

Differences of policies are paired: they are taken on the same pages, and so on the same people in
every resample. A policy that was trained over several seeds varies between these as well, so seeds
are drawn anew beside people.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import FloatArray, label_codes, real_array
from gerank.metrics.intervals import Interval

_ENTRIES_AT_ONCE = 1 << 22  # bounds the memory of one block of resamples


class Resampled(NamedTuple):
    """An estimate and its resamples.

    Attributes:
        estimate: On the data as they are.
        draws: [R]. The same of resampled people and seeds.
    """

    estimate: float
    draws: FloatArray

    def minus(self, other: Resampled) -> Resampled:
        """The paired difference: both must come from the same resamples of people."""
        return Resampled(self.estimate - other.estimate, self.draws - other.draws)

    def interval(self, level: float = 0.95) -> Interval:
        """Percentiles of the resamples."""
        low, high = np.quantile(self.draws, [(1 - level) / 2, (1 + level) / 2])
        return Interval(self.estimate, float(low), float(high), float(self.draws.std(ddof=1)))

    def p_value(self) -> float:
        """Two-sided: twice the share of resamples on the far side of zero, which counts to both.

        Never 0: of R resamples none tells of less than 1 / (R + 1). Davison and Hinkley, "Bootstrap
        methods and their application", 1997.
        """
        below, above = (self.draws <= 0).sum(), (self.draws >= 0).sum()
        return float(min(1.0, 2 * (min(below, above) + 1) / (len(self.draws) + 1)))


def resampled_means(
    values: list[FloatArray], people: ArrayLike, *, seed: int, resamples: int = 10_000
) -> list[Resampled]:
    """The mean over pages and seeds of each of several policies.

    Args:
        values: Per policy [S, E]: the value of each page by each of its S seeds.
        people: [E]. Whose page it is: integers or strings.
        seed: Seeds the resampling.
        resamples: R, how often people and seeds are drawn anew.

    Raises:
        ValueError: Shapes, NaN or infinity, fewer than two people, or resamples below 2.
    """
    if resamples < 2:
        raise ValueError(f"resampled_means: resamples is {resamples}, not >= 2")
    checked = [
        real_array(f"resampled_means: values[{place}]", table, "SE")
        for place, table in enumerate(values)
    ]
    stacked = np.concatenate(checked)  # [V, E]
    codes, count = label_codes("resampled_means: people", people, stacked.shape[1])
    if count < 2:
        raise ValueError(f"resampled_means: people: {count} distinct; 2 or more are needed")
    rng = np.random.default_rng(seed)
    draws = _people_drawn(stacked, codes, count, rng, resamples)
    found, first = [], 0
    for table in checked:
        own = draws[:, first : first + len(table)]
        chosen = rng.integers(len(table), size=own.shape)
        found.append(
            Resampled(float(table.mean()), np.take_along_axis(own, chosen, axis=1).mean(axis=1))
        )
        first += len(table)
    return found


def _people_drawn(
    values: FloatArray,
    codes: np.ndarray,
    count: int,
    rng: np.random.Generator,
    resamples: int,
) -> FloatArray:
    """[R, V] mean over the pages of resampled people of each row of values [V, E]."""
    sums = np.stack([np.bincount(codes, weights=row, minlength=count) for row in values], axis=1)
    pages = np.bincount(codes, minlength=count).astype(np.float64)
    step, blocks = max(1, _ENTRIES_AT_ONCE // count), []
    for first in range(0, resamples, step):
        times = rng.multinomial(
            count, np.full(count, 1 / count), size=min(step, resamples - first)
        ).astype(np.float64)  # [r, people]
        blocks.append((times @ sums) / (times @ pages)[:, None])
    return np.concatenate(blocks)
