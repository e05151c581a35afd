"""Confidence intervals by the bootstrap over people.

Pages of one person resemble each other, so pages are not independent and people are what is
drawn: a person comes with all their pages. Field and Welsh, "Bootstrapping clustered data",
JRSS-B 2007; intervals are percentiles (Efron and Tibshirani, "An introduction to the bootstrap",
1993). Equal arguments and seeds give equal answers, to the last bit.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import FloatArray, check_same_shape, label_codes, real_array

_DRAWS_AT_ONCE = 1 << 21  # Bounds the memory of one block of resamples.


class Interval(NamedTuple):
    """An estimate and how far it can be trusted.

    Attributes:
        estimate: On the data as they are.
        low, high: The bootstrap percentiles at (1 - level) / 2 and (1 + level) / 2.
        standard_error: Standard deviation of the resampled estimates.
    """

    estimate: float
    low: float
    high: float
    standard_error: float


def mean_interval(
    values: ArrayLike,
    people: ArrayLike,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """The mean over pages.

    Args:
        values: [E]. One value per page.
        people: [E]. Whose page it is: integers or strings.
        seed: Seeds the resampling.
        level: Coverage, between 0 and 1.
        resamples: How often people are drawn anew.

    Raises:
        ValueError: Shapes, NaN or infinity, fewer than two people, level or resamples outside
            their range.
    """
    pages = real_array("mean_interval: values", values, "E")
    return _bootstrap(pages, np.ones_like(pages), people, seed, level, resamples)


def ratio_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    people: ArrayLike,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """Sum of numerators over sum of denominators, such as the terms of `self_normalised`.

    Args:
        numerators: [E]. Per page.
        denominators: [E]. Per page.
        people: [E]. Whose page it is.
        seed: Seeds the resampling.
        level: Coverage, between 0 and 1.
        resamples: How often people are drawn anew.

    Raises:
        ValueError: As `mean_interval`, or denominators that sum to 0 or less, in the data or in
            a resample: then too few pages carry any weight for an interval.
    """
    tops = real_array("numerators", numerators, "E")
    bottoms = real_array("denominators", denominators, "E")
    check_same_shape(numerators=tops.shape, denominators=bottoms.shape)
    return _bootstrap(tops, bottoms, people, seed, level, resamples)


def ratios_interval(
    numerators: ArrayLike,
    denominators: ArrayLike,
    people: ArrayLike,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """The sum over slots of sums of numerators over sums of denominators: `slot_normalised`.

    Args:
        numerators: [E, N]. Per page and slot.
        denominators: [E, N]. Per page and slot.
        people: [E]. Whose page it is.
        seed: Seeds the resampling.
        level: Coverage, between 0 and 1.
        resamples: How often people are drawn anew; they are the same people at every slot.

    Raises:
        ValueError: As `ratio_interval`, of the denominators of any slot.
    """
    tops = real_array("numerators", numerators, "EN")
    bottoms = real_array("denominators", denominators, "EN")
    check_same_shape(numerators=tops.shape, denominators=bottoms.shape)
    return _bootstrap(tops, bottoms, people, seed, level, resamples)


def _bootstrap(
    tops: FloatArray,
    bottoms: FloatArray,
    people: ArrayLike,
    seed: int,
    level: float,
    resamples: int,
) -> Interval:
    """The interval of sum(tops) / sum(bottoms), both [E]; of the sum of N such ratios of [E, N]."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, not between 0 and 1")
    if resamples < 2:
        raise ValueError(f"resamples is {resamples}, not >= 2")
    codes, count = label_codes("people", people, len(tops))
    if count < 2:
        raise ValueError(f"people: {count} distinct; an interval needs at least 2")
    pairs = [
        tuple(
            np.bincount(codes, weights=column, minlength=count).astype(np.float64)
            for column in columns
        )
        for columns in zip(np.atleast_2d(tops.T), np.atleast_2d(bottoms.T), strict=True)
    ]  # of each slot
    estimate = sum(float(_ratio(t.sum(keepdims=True), b.sum(keepdims=True))[0]) for t, b in pairs)
    rng = np.random.default_rng(seed)
    rows = max(1, _DRAWS_AT_ONCE // count)
    blocks = []
    for done in range(0, resamples, rows):
        drawn = rng.integers(count, size=(min(rows, resamples - done), count))
        ratios = [_ratio(t[drawn].sum(axis=1), b[drawn].sum(axis=1)) for t, b in pairs]
        blocks.append(np.sum(ratios, axis=0))
    draws = np.concatenate(blocks)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), float(draws.std(ddof=1)))


def _ratio(top: FloatArray, bottom: FloatArray) -> FloatArray:
    """The ratio of every resample."""
    if np.any(bottom <= 0):
        raise ValueError(f"denominators sum to {np.min(bottom)}: too few pages carry any weight")
    return top / bottom
