"""Isotonic regression: the rising curve that best tells a click rate from a score.

The curve depends on the scores by their order and by values that were really seen alone: when
an upstream model is replaced by a rising function of itself, the refitted curve follows it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import (
    FloatArray,
    IndexArray,
    binary_array,
    check_same_shape,
    real_array,
)
from gerank.metrics.midranks import midranks

_BINS = 64
_PRIOR_EXAMPLES = 4.0  # of the overall rate, in every block: no rate is ever 0 or 1
_LEAST_RISE = 1e-4  # of the log-odds from block to block, lest float32 ties what has an order


class MonotoneCurve(NamedTuple):
    """A piecewise linear function of a score; it goes on beyond its ends with the last slope.

    Attributes:
        scores: [K]. Strictly rising.
        log_odds: [K]. Holds the log-odds of a click, which never fall.
    """

    scores: FloatArray
    log_odds: FloatArray

    def probability(self, scores: ArrayLike) -> FloatArray:
        """[E] the click probability that the curve gives to scores [E]."""
        values = real_array("scores", scores, "E")
        last = len(self.scores) - 1
        right = np.clip(np.searchsorted(self.scores, values), 1, last)
        x0, x1 = self.scores[right - 1], self.scores[right]
        y0, y1 = self.log_odds[right - 1], self.log_odds[right]
        log_odds = y0 + (values - x0) * (y1 - y0) / (x1 - x0)
        odds: FloatArray = 1 / (1 + np.exp(-np.clip(log_odds, -50, 50)))
        return odds


class Block(NamedTuple):
    """Neighbouring examples that get one rate."""

    clicks: float
    examples: int

    def rate(self) -> float:
        """Returns the clicks per example."""
        return self.clicks / self.examples


def fit_monotone_curve(labels: ArrayLike, scores: ArrayLike, knots: int) -> MonotoneCurve:
    """Pools adjacent violators over 64 bins of equal mass and joins the blocks' middles.

    Barlow et al., "Statistical inference under order restrictions", 1972. The blocks' middles are
    medians, so that the curve rises strictly wherever the blocks do.

    Args:
        labels: [E]. 0 or 1.
        scores: [E]. At least two distinct ones.
        knots: K, at least 66: unused knots prolong the last piece.

    Raises:
        ValueError: Shapes, NaN or infinity, labels that are none, one score alone, or knots < 66.
    """
    positive = binary_array("labels", labels, "E").astype(np.float64)
    values = real_array("scores", scores, "E")
    check_same_shape(labels=positive.shape, scores=values.shape)
    if values.min() == values.max():
        raise ValueError(f"scores: all {len(values)} are {values[0]}; no curve exists")
    if knots < _BINS + 2:
        raise ValueError(f"knots is {knots}, not >= {_BINS + 2}")
    order = np.argsort(values, kind="stable")
    values, positive = values[order], positive[order]
    overall = float(positive.sum() + 0.5) / (len(positive) + 1)
    blocks = _pooled(_bins_counted(positive, _bins_of_equal_mass(values)), Block.rate, 0.0)
    blocks = _pooled(blocks, lambda block: _log_odds(block, overall), _LEAST_RISE)
    log_odds = np.array([_log_odds(block, overall) for block in blocks])
    return _through_middles(values, [block.examples for block in blocks], log_odds, knots)


def _bins_of_equal_mass(ascending: FloatArray) -> IndexArray:
    """[E] ascending bin numbers; equal scores share a bin."""
    place = (midranks(ascending) - 0.5) / len(ascending)
    return np.minimum((place * _BINS).astype(np.int64), _BINS - 1)


def _bins_counted(positive: FloatArray, bins: IndexArray) -> list[Block]:
    """A block per bin; positive and bins are [E]."""
    starts = np.flatnonzero(np.append(True, bins[1:] != bins[:-1]))
    sizes = np.diff(np.append(starts, len(bins))).tolist()
    sums = np.add.reduceat(positive, starts).tolist()
    return [Block(*counts) for counts in zip(sums, sizes, strict=True)]


def _pooled(
    blocks: Iterable[Block], height: Callable[[Block], float], least_rise: float
) -> list[Block]:
    """Neighbours become one block until each is higher than the one before by the least rise."""
    pooled: list[Block] = []
    for block in blocks:
        pooled.append(block)
        while len(pooled) > 1 and height(pooled[-1]) - height(pooled[-2]) <= least_rise:
            left, right = pooled[-2:]
            pooled[-2:] = [Block(left.clicks + right.clicks, left.examples + right.examples)]
    return pooled


def _log_odds(block: Block, overall: float) -> float:
    """Returns the log-odds of the block's rate, which is drawn to the overall one."""
    rate = (block.clicks + _PRIOR_EXAMPLES * overall) / (block.examples + _PRIOR_EXAMPLES)
    return math.log(rate / (1 - rate))


def _through_middles(
    values: FloatArray, sizes: list[int], log_odds: FloatArray, knots: int
) -> MonotoneCurve:
    """The curve through (median score, log-odds) of every block, and the two ends."""
    counts = np.array(sizes)
    middles = values[np.cumsum(counts) - counts + (counts - 1) // 2]
    scores, curve = middles, log_odds
    if len(log_odds) > 1:
        # The outer halves of the outer blocks keep their order: half a step more by their end.
        step = np.diff(log_odds) / 2
        scores = np.concatenate([values[:1], middles, values[-1:]])
        curve = np.concatenate([[log_odds[0] - step[0]], log_odds, [log_odds[-1] + step[-1]]])
        kept = np.concatenate(
            [values[:1] < middles[0], np.ones(len(middles), bool), values[-1:] > middles[-1]]
        )
        scores, curve = scores[kept], curve[kept]
    distinct = np.append(True, np.diff(scores) > _least_step(scores[1:]))
    return _prolonged(scores[distinct], curve[distinct], knots)


def _least_step(scores: FloatArray) -> FloatArray:
    """[E] by how much knots must differ to differ as float32 too."""
    step: FloatArray = 4 * np.finfo(np.float32).eps * np.abs(scores)
    return np.maximum(step, np.finfo(np.float32).tiny)


def _prolonged(scores: FloatArray, log_odds: FloatArray, knots: int) -> MonotoneCurve:
    """The same function with K knots: the last piece goes on beyond the last score."""
    if len(scores) == 1:
        scores, log_odds = np.append(scores, scores + 1.0), np.repeat(log_odds, 2)
    more = np.arange(1, knots - len(scores) + 1)
    step = max(float(scores[-1] - scores[-2]), float(knots * _least_step(scores[-1:])[0]))
    slope = (log_odds[-1] - log_odds[-2]) / (scores[-1] - scores[-2])
    return MonotoneCurve(
        np.append(scores, scores[-1] + more * step),
        np.append(log_odds, log_odds[-1] + more * step * slope),
    )
