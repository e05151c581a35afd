"""Arguments of metrics: made into arrays and checked, so that no formula meets a NaN.

A metric that met a NaN or an infinity would report one quietly, or worse a number; here it is an
error that names the argument, the place and the value.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float64]
IndexArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def real_array(name: str, values: ArrayLike, axes: str) -> FloatArray:
    """`values` as float64, all finite, none of its axes empty.

    Args:
        name: What error messages call it.
        values: Anything numpy takes.
        axes: One letter per axis, such as "EN".

    Raises:
        ValueError: Wrong number of axes, no entries, NaN or infinity.
    """
    array = shaped_array(name, values, axes)
    reject(name, array, ~np.isfinite(array), "not a finite number")
    return array


def shaped_array(name: str, values: ArrayLike, axes: str) -> FloatArray:
    """As `real_array`, but NaN and infinities stay: for callers that give them a meaning.

    Raises:
        ValueError: Wrong number of axes, or no entries.
    """
    array = np.asarray(values, dtype=np.float64)
    _check_axes(name, array.shape, axes)
    return array


def binary_array(name: str, values: ArrayLike, axes: str) -> BoolArray:
    """`values` as booleans; numbers must be 0 or 1.

    Raises:
        ValueError: As `real_array`, or a value other than 0 and 1.
    """
    array = real_array(name, values, axes)
    reject(name, array, (array != 0) & (array != 1), "neither 0 nor 1")
    return array.astype(np.bool_)


def index_array(name: str, values: ArrayLike, axes: str, size: int | None = None) -> IndexArray:
    """`values` as int64 indices; -1 stands for "none".

    Args:
        name: What error messages call it.
        values: Integers of any width.
        axes: One letter per axis.
        size: What the indices point into; None when only equality matters.

    Raises:
        ValueError: Wrong number of axes, no entries, not integers, below -1, or `size` and above.
    """
    array = np.asarray(values)
    _check_axes(name, array.shape, axes)
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"{name}: dtype {array.dtype} is not an integer type")
    indices = array.astype(np.int64)
    reject(name, indices, indices < -1, "below -1")
    if size is not None:
        reject(name, indices, indices >= size, f"not below {size}")
    return indices


def label_codes(name: str, labels: ArrayLike, length: int) -> tuple[IndexArray, int]:
    """People, pages or groups as 0, 1, 2, ...

    Args:
        name: What error messages call it.
        labels: [E] integers or strings; equal labels belong together.
        length: E.

    Returns:
        ([E] codes, how many distinct labels there are).

    Raises:
        ValueError: Not [E], or floats (a NaN is equal to nothing, itself included).
    """
    array = np.asarray(labels)
    if array.shape != (length,):
        raise ValueError(f"{name}: shape {list(array.shape)} is not [{length}]")
    if np.issubdtype(array.dtype, np.inexact):
        raise ValueError(f"{name}: dtype {array.dtype}; labels are integers or strings")
    distinct, codes = np.unique(array, return_inverse=True)
    return codes.astype(np.int64), len(distinct)


def check_same_shape(**shapes: tuple[int, ...]) -> None:
    """Every shape equals the first.

    Raises:
        ValueError: Naming the first and the one that differs.
    """
    (first, expected), *others = shapes.items()
    for name, shape in others:
        if shape != expected:
            raise ValueError(f"{name}: shape {list(shape)} is not that of {first} {list(expected)}")


def reject(
    name: str, array: FloatArray | IndexArray, offending: NDArray[np.bool_], reason: str
) -> None:
    """Raise for the first entry of `array` where `offending` is True.

    Raises:
        ValueError: Naming the place, the value and the reason.
    """
    if offending.any():
        place = tuple(int(index) for index in np.argwhere(offending)[0])
        raise ValueError(f"{name}[{', '.join(map(str, place))}] is {array[place]}, {reason}")


def _check_axes(name: str, shape: tuple[int, ...], axes: str) -> None:
    if len(shape) != len(axes):
        raise ValueError(f"{name}: shape {list(shape)} has not the axes [{', '.join(axes)}]")
    if 0 in shape:
        raise ValueError(f"{name}: shape {list(shape)} holds nothing")
