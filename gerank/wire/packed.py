"""Numbers that a message holds either as little-endian bytes or as a packed repeated field."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from google.protobuf.message import Message
from numpy.typing import NDArray

from gerank.data.request import RequestError

_DTYPES = {"float32_le": "<f4", "floats": "<f4", "int64_le": "<i8", "ints": "<i8"}


def read_values(path: str, message: Message, fields: Sequence[str]) -> NDArray[Any]:
    """The numbers in the one field that is set.

    Args:
        path: Where the message is, for messages.
        message: Has all of the fields.
        fields: Any of `float32_le`, `floats`, `int64_le` and `ints`.

    Raises:
        RequestError: None or several of the fields are set, or bytes end within a number.
    """
    given = [field for field in fields if len(getattr(message, field))]
    if len(given) != 1:
        raise RequestError(path, given, f"must have exactly one of {', '.join(fields)}")
    values, dtype = getattr(message, given[0]), np.dtype(_DTYPES[given[0]])
    if not isinstance(values, bytes):
        return np.array(values, dtype)
    if len(values) % dtype.itemsize:
        rule = f"must be whole numbers of {dtype.itemsize} bytes each"
        raise RequestError(f"{path}.{given[0]}", f"{len(values)} bytes", rule)
    return np.frombuffer(values, dtype)
