"""Many comparisons at once: what each may be called significant by."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import FloatArray, real_array, reject


def holm(p_values: ArrayLike) -> FloatArray:
    """Adjusted p-values: those below alpha are significant at alpha, all comparisons together.

    The k-th smallest of m is multiplied by m - k + 1, and none is smaller than one before it. Holm,
    "A simple sequentially rejective multiple test procedure", Scandinavian Journal of Statistics
    1979.

    Args:
        p_values: [m]. 0..1.

    Returns:
        [m]. 0..1.

    Raises:
        ValueError: Shape, NaN, or a value outside of 0..1.
    """
    values = _checked("holm", p_values)
    order = np.argsort(values, kind="stable")
    stepped = np.maximum.accumulate(values[order] * _factors(len(values)))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(stepped, 1.0)
    return adjusted


def holm_levels(p_values: ArrayLike, level: float = 0.95) -> FloatArray:
    """The coverage at which Holm's procedure looks at each comparison's interval.

    The interval of the k-th smallest p-value of m has the coverage 1 - (1 - level) / (m - k + 1):
    it leaves zero out where the comparison would be significant by itself at that step.

    Args:
        p_values: [m]. 0..1.
        level: Coverage of all together, between 0 and 1.

    Returns:
        [m].

    Raises:
        ValueError: As `holm`, or a level that is not between 0 and 1.
    """
    values = _checked("holm_levels", p_values)
    if not 0 < level < 1:
        raise ValueError(f"holm_levels: level is {level}, not between 0 and 1")
    levels = np.empty_like(values)
    levels[np.argsort(values, kind="stable")] = 1 - (1 - level) / _factors(len(values))
    return levels


def _checked(function: str, p_values: ArrayLike) -> FloatArray:
    values = real_array(f"{function}: p_values", p_values, "m")
    reject(f"{function}: p_values", values, (values < 0) | (values > 1), "not in 0..1")
    return values


def _factors(count: int) -> FloatArray:
    return np.arange(count, 0, -1, dtype=np.float64)
