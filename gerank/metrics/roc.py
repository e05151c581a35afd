"""The ROC curve: what share of the positives is found at every share of false alarms."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import FloatArray, binary_array, check_same_shape, real_array


class RocCurve(NamedTuple):
    """One point per distinct score, from (0, 0) to (1, 1); the area below it is `auc`.

    Attributes:
        false_alarms: [R]. Share of the negatives that score at least so high.
        found: [R]. Share of the positives that do.
    """

    false_alarms: FloatArray
    found: FloatArray


def roc_curve(labels: ArrayLike, scores: ArrayLike) -> RocCurve:
    """The curve of thresholds that fall from the highest score to the lowest.

    Fawcett, "An introduction to ROC analysis", Pattern Recognition Letters 2006. Equal scores are
    one step, so that the answer does not depend on the order of the examples.

    Args:
        labels: [E]. 0 or 1.
        scores: [E]. Any scale.

    Raises:
        ValueError: Shapes, NaN or infinity, or labels of one class only.
    """
    positive = binary_array("roc_curve: labels", labels, "E")
    values = real_array("roc_curve: scores", scores, "E")
    check_same_shape(labels=positive.shape, scores=values.shape)
    if positive.all() or not positive.any():
        raise ValueError(
            f"roc_curve: {int(positive.sum())} of {len(positive)} labels are 1; needs both"
        )
    order = np.argsort(-values, kind="stable")
    last_of_equals = np.append(np.diff(values[order]) != 0, True)
    found = np.cumsum(positive[order])[last_of_equals]
    alarms = np.flatnonzero(last_of_equals) + 1 - found
    return RocCurve(
        np.append(0.0, alarms / (~positive).sum()), np.append(0.0, found / positive.sum())
    )
