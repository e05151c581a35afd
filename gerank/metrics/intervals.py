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

from gerank.metrics.arrays import FloatArray, IndexArray, check_same_shape, label_codes, real_array

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
    totals = [(pages, np.ones_like(pages))]
    return _bootstrap(totals, people, seed, level, resamples)


def difference_interval(
    first: ArrayLike,
    second: ArrayLike,
    people: ArrayLike,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """The mean of first - second over the same pages: paired, so far narrower than two intervals.

    Args:
        first: [E]. One value per page.
        second: [E]. The same pages under another policy.
        people: [E]. Whose page it is.
        seed: Seeds the resampling.
        level: Coverage, between 0 and 1.
        resamples: How often people are drawn anew.

    Raises:
        ValueError: As `mean_interval`.
    """
    left = real_array("difference_interval: first", first, "E")
    right = real_array("difference_interval: second", second, "E")
    check_same_shape(first=left.shape, second=right.shape)
    return mean_interval(left - right, people, seed=seed, level=level, resamples=resamples)


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
    return _bootstrap([_ratio(numerators, denominators)], people, seed, level, resamples)


def ratio_difference_interval(
    first: tuple[ArrayLike, ArrayLike],
    second: tuple[ArrayLike, ArrayLike],
    people: ArrayLike,
    *,
    seed: int,
    level: float = 0.95,
    resamples: int = 2000,
) -> Interval:
    """The difference of two ratios over the same pages, paired.

    Args:
        first: (numerators [E], denominators [E]).
        second: (numerators [E], denominators [E]) of the same pages under another policy.
        people: [E]. Whose page it is.
        seed: Seeds the resampling.
        level: Coverage, between 0 and 1.
        resamples: How often people are drawn anew.

    Raises:
        ValueError: As `ratio_interval`.
    """
    left, right = _ratio(*first), _ratio(*second)
    check_same_shape(first=left[0].shape, second=right[0].shape)
    return _bootstrap([left, right], people, seed, level, resamples)


_Ratio = tuple[FloatArray, FloatArray]


def _ratio(numerators: ArrayLike, denominators: ArrayLike) -> _Ratio:
    top = real_array("numerators", numerators, "E")
    bottom = real_array("denominators", denominators, "E")
    check_same_shape(numerators=top.shape, denominators=bottom.shape)
    return top, bottom


def _bootstrap(
    ratios: list[_Ratio], people: ArrayLike, seed: int, level: float, resamples: int
) -> Interval:
    """Interval of ratio 0, minus ratio 1 where there is one."""
    if not 0 < level < 1:
        raise ValueError(f"level is {level}, not between 0 and 1")
    if resamples < 2:
        raise ValueError(f"resamples is {resamples}, not >= 2")
    codes, count = label_codes("people", people, len(ratios[0][0]))
    if count < 2:
        raise ValueError(f"people: {count} distinct; an interval needs at least 2")
    columns = [column for ratio in ratios for column in ratio]
    totals = [
        np.bincount(codes, weights=column, minlength=count).astype(np.float64) for column in columns
    ]

    estimate = float(_value([total.sum(keepdims=True) for total in totals])[0])
    rng = np.random.default_rng(seed)
    rows = max(1, _DRAWS_AT_ONCE // count)
    blocks = [
        _resampled(totals, rng.integers(count, size=(min(rows, resamples - done), count)))
        for done in range(0, resamples, rows)
    ]
    draws = np.concatenate(blocks)
    low, high = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2])
    return Interval(estimate, float(low), float(high), float(draws.std(ddof=1)))


def _resampled(totals: list[FloatArray], drawn: IndexArray) -> FloatArray:
    """[resamples] from the people drawn in each of them, [resamples, people]."""
    return _value([total[drawn].sum(axis=1) for total in totals])


def _value(sums: list[FloatArray]) -> FloatArray:
    """One ratio per resample: top / bottom, or the difference of two such."""
    values = []
    for top, bottom in zip(sums[::2], sums[1::2], strict=True):
        if np.any(bottom <= 0):
            raise ValueError(
                f"denominators sum to {np.min(bottom)}: too few pages carry any weight"
            )
        values.append(top / bottom)
    return values[0] if len(values) == 1 else values[0] - values[1]
