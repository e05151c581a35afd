"""How well the preference weights of a request steer what is served."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import BoolArray, FloatArray, check_same_shape, real_array
from gerank.metrics.midranks import midranks


def spearman(first: ArrayLike, second: ArrayLike) -> float:
    """Rank correlation, ties averaged: of a swept weight and its utility, 1 if it only rises.

    Spearman, "The proof and measurement of association between two things", 1904.

    Args:
        first: [E]. At least two distinct values.
        second: [E]. At least two distinct values.

    Returns:
        -1..1.

    Raises:
        ValueError: Shapes, NaN or infinity, or an argument that is constant.
    """
    arrays = {"first": real_array("first", first, "E"), "second": real_array("second", second, "E")}
    check_same_shape(**{name: array.shape for name, array in arrays.items()})
    for name, array in arrays.items():
        if array.min() == array.max():
            raise ValueError(f"spearman: {name} is constant ({array[0]}); no correlation exists")
    ranks = [midranks(array) - (len(array) + 1) / 2 for array in arrays.values()]
    return float(ranks[0] @ ranks[1] / np.sqrt((ranks[0] @ ranks[0]) * (ranks[1] @ ranks[1])))


def hypervolume(points: ArrayLike, reference: ArrayLike) -> float:
    """Volume that the points dominate above the reference, all utilities being maximised.

    Zitzler and Thiele, "Multiobjective evolutionary algorithms: a comparative case study and
    the strength Pareto approach", IEEE TEC 1999. Comparable only for one fixed reference: never
    take it from the points. Exact, by slicing: time grows as P^U, fit for U up to 4.

    Args:
        points: [P, U]. Utilities reached by P settings.
        reference: [U]. A point that counts as nothing gained.

    Returns:
        >= 0. A point that is not above the reference in every utility adds nothing.

    Raises:
        ValueError: Shapes, NaN or infinity.
    """
    reached = real_array("hypervolume: points", points, "PU")
    corner = real_array("hypervolume: reference", reference, "U")
    check_same_shape(points=reached.shape[1:], reference=corner.shape)
    boxes = reached - corner
    return _volume(boxes[np.all(boxes > 0, axis=1)])


def pareto_front(points: ArrayLike) -> BoolArray:
    """Which points no other beats, all utilities being maximised; equal points beat each other not.

    Args:
        points: [P, U]. Utilities reached by P settings.

    Returns:
        [P]. False where another point is as large in every utility and larger in one.

    Raises:
        ValueError: Shapes, NaN or infinity.
    """
    reached = real_array("pareto_front: points", points, "PU")
    as_large = (reached[:, None] >= reached[None]).all(2)  # [other, own]
    larger = (reached[:, None] > reached[None]).any(2)
    front: BoolArray = np.logical_not((as_large & larger).any(0))
    return front


def _volume(boxes: FloatArray) -> float:
    """Volume of the union of boxes [0, b], sliced along the last axis."""
    if boxes.shape[1] == 1:
        return float(boxes.max(initial=0.0))
    total, floor = 0.0, 0.0
    for height in np.unique(boxes[:, -1]):
        total += (float(height) - floor) * _volume(boxes[boxes[:, -1] >= height, :-1])
        floor = float(height)
    return total
