"""Named columns as `FeatureBlock` messages, without numpy: a client need not have it.

Axes: R rows (1 for the user, M for candidates).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from gerank.data.request import RequestError
from gerank.data.scalars import is_real, is_truth, whole_number
from gerank.proto import rerank_pb2 as pb

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_FLOATS = frozenset("fd")
_INTS = frozenset("?bBhHiIlq")
"""Formats of a buffer whose numbers fit into 64 bits with a sign."""


def blocks_from_columns(
    side: str, columns: Mapping[str, ArrayLike | array[Any]], rows: int
) -> list[pb.FeatureBlock]:
    """Packs floats into one block and integers into another.

    Args:
        side: `user` or `candidates`, for messages.
        columns: Feature name -> [R] numbers.
        rows: R.

    Raises:
        RequestError: A column has another length, or holds no numbers that the wire knows.
    """
    numbers = {name: _numbers(f"{side}.{name}", column, rows) for name, column in columns.items()}
    floats = {name: column for name, column in numbers.items() if column.typecode == "f"}
    ints = {name: column for name, column in numbers.items() if column.typecode == "q"}
    blocks = []
    if floats:
        packed = _side_by_side("f", floats, rows)
        blocks.append(pb.FeatureBlock(names=list(floats), float32_le=packed))
    if ints:
        blocks.append(pb.FeatureBlock(names=list(ints), int64_le=_side_by_side("q", ints, rows)))
    return blocks


def little_endian(numbers: array[Any]) -> bytes:
    """The numbers as the wire has them."""
    if sys.byteorder == "big":
        numbers = numbers[:]
        numbers.byteswap()
    return numbers.tobytes()


def _numbers(field: str, column: Any, rows: int) -> array[Any]:
    """The column as float32 where it holds floats, else as int64."""
    if isinstance(column, str | bytes | bytearray):
        raise RequestError(field, column, f"must have {rows} values")
    numbers = _of_buffer(column)
    if numbers is None:
        values = column.tolist() if hasattr(column, "tolist") else list(column)
        if any(isinstance(value, list | tuple) for value in values):
            raise RequestError(field, values, f"must have {rows} values")
        numbers = _of_values(field, values)
    if len(numbers) != rows:
        raise RequestError(field, numbers.tolist(), f"must have {rows} values")
    return numbers


def _of_buffer(column: Any) -> array[Any] | None:
    """The numbers of an array, of Python's or numpy's; None where their type is another."""
    try:
        view = memoryview(column)
    except (TypeError, ValueError):
        return None
    if view.ndim != 1 or view.format not in _FLOATS | _INTS:
        return None
    code = "f" if view.format in _FLOATS else "q"
    if not view.c_contiguous or view.itemsize != array(code).itemsize:
        return array(
            code, view.tolist()
        )  # beyond float32 a number becomes infinite: the server tells
    numbers = array(code)
    numbers.frombytes(view.cast("B") if len(view) else b"")
    return numbers


def _of_values(field: str, values: list[Any]) -> array[Any]:
    wholes = [int(value) if is_truth(value) else whole_number(value) for value in values]
    try:
        if None not in wholes:
            return array("q", wholes)
        if all(is_real(value) or is_truth(value) for value in values):
            return array("f", values)
    except OverflowError:
        pass
    raise RequestError(field, values, "must be 64-bit numbers")


def _side_by_side(code: str, columns: Mapping[str, array[Any]], rows: int) -> bytes:
    packed = array(code, bytes(array(code).itemsize * rows * len(columns)))
    for index, column in enumerate(columns.values()):
        packed[index :: len(columns)] = column
    return little_endian(packed)
