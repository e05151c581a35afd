"""AUC, over everything and within groups.

An evaluator's AUC over all pages can be nothing but knowledge of who clicks much. `grouped_auc`
takes that away: with people as groups it asks for the order of a person's pages, with pages as
groups for the order of the slots of a page.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import (
    BoolArray,
    FloatArray,
    IndexArray,
    binary_array,
    check_same_shape,
    label_codes,
    real_array,
)
from gerank.metrics.midranks import midranks


class GroupedAuc(NamedTuple):
    """AUC within groups.

    Attributes:
        value: Mean over the groups that count, weighted by their numbers of examples.
        groups: How many groups count.
        skipped: How many do not, because they hold one class only.
    """

    value: float
    groups: int
    skipped: int


def auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Probability that a positive scores above a negative, a tie counting one half.

    Hanley and McNeil, "The meaning and use of the area under a ROC curve", Radiology 1982.

    Args:
        labels: [E]. 0 or 1.
        scores: [E]. Any scale.

    Returns:
        0..1; 0.5 for scores that carry nothing.

    Raises:
        ValueError: Shapes, NaN or infinity, or labels of one class only.
    """
    positive, values = _labelled("auc", labels, scores)
    one_group = np.zeros(len(values), dtype=np.int64)
    area, defined = _group_aucs(positive, values, one_group, 1)
    if not defined[0]:
        raise ValueError(f"auc: {int(positive.sum())} of {len(positive)} labels are 1; needs both")
    return float(area[0])


def grouped_auc(labels: ArrayLike, scores: ArrayLike, groups: ArrayLike) -> GroupedAuc:
    """GAUC: the AUC within each group, averaged with the groups' sizes as weights.

    Zhu et al., "Optimized cost per click in Taobao display advertising", KDD 2017.

    Args:
        labels: [E]. 0 or 1.
        scores: [E]. Comparable within a group.
        groups: [E]. The person (or the page) of each example: integers or strings.

    Returns:
        The value, and how many groups it rests on.

    Raises:
        ValueError: Shapes, NaN or infinity, or no group that holds both classes.
    """
    positive, values = _labelled("grouped_auc", labels, scores)
    codes, count = label_codes("grouped_auc: groups", groups, len(values))
    areas, defined = _group_aucs(positive, values, codes, count)
    if not defined.any():
        raise ValueError(f"grouped_auc: none of {count} groups holds both classes")
    sizes = np.bincount(codes, minlength=count)[defined]
    value = float(np.average(areas[defined], weights=sizes))
    return GroupedAuc(value, int(defined.sum()), int(count - defined.sum()))


def group_aucs(labels: ArrayLike, scores: ArrayLike, groups: ArrayLike) -> FloatArray:
    """The AUC within each group by itself: for means that count groups alike, with intervals.

    Args:
        labels: [E]. 0 or 1.
        scores: [E]. Comparable within a group.
        groups: [E]. The group of each example: integers or strings.

    Returns:
        One number per distinct group, in the order of `np.unique(groups)`; NaN where a group
        holds one class only.

    Raises:
        ValueError: Shapes, NaN or infinity.
    """
    positive, values = _labelled("group_aucs", labels, scores)
    codes, count = label_codes("group_aucs: groups", groups, len(values))
    areas, defined = _group_aucs(positive, values, codes, count)
    return np.where(defined, areas, np.nan)


def _labelled(metric: str, labels: ArrayLike, scores: ArrayLike) -> tuple[BoolArray, FloatArray]:
    positive = binary_array(f"{metric}: labels", labels, "E")
    values = real_array(f"{metric}: scores", scores, "E")
    check_same_shape(labels=positive.shape, scores=values.shape)
    return positive, values


def _group_aucs(
    positive: BoolArray, scores: FloatArray, codes: IndexArray, count: int
) -> tuple[FloatArray, BoolArray]:
    """([count] Mann-Whitney U / pairs, [count] whether there are pairs)."""
    ranks = midranks(scores, codes)
    positives = np.bincount(codes, weights=positive, minlength=count)
    negatives = np.bincount(codes, minlength=count) - positives
    rank_sum = np.bincount(codes, weights=ranks * positive, minlength=count)
    pairs = positives * negatives
    wins = rank_sum - positives * (positives + 1) / 2
    return wins / np.maximum(pairs, 1), pairs > 0
