"""Single values of a request: Python's own, and numpy's alike.

A page that was cut out of a data frame holds `np.float32`, `np.int64` and `np.bool_`. Numpy itself
is not needed: a caller that has none has no such values.
"""

from __future__ import annotations

import numbers
import operator
import sys
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    import numpy as np


MOST_BITS = 1024
"""An integer of more is refused by its field alone: Python does not write out very long ones."""


def is_truth(value: object) -> TypeGuard[bool | np.bool_]:
    """Whether it is true or false, which Python takes for an integer and a request does not."""
    numpy = sys.modules.get("numpy")
    return isinstance(value, bool) or (numpy is not None and isinstance(value, numpy.bool_))


def is_real(value: object) -> TypeGuard[float]:
    """Whether it is a real number."""
    return isinstance(value, numbers.Real) and not is_truth(value)


def whole_number(value: Any) -> int | None:
    """The integer that it is; None where it is none, but a float, say, or true."""
    try:
        return None if is_truth(value) else operator.index(value)
    except TypeError:
        return None


def is_id(value: object) -> bool:
    """Whether it can name a page, a candidate or a dedup key: a string or an integer."""
    return isinstance(value, str) or whole_number(value) is not None


def plain_id(value: Any) -> str | int:
    """An id as JSON can hold it."""
    return str(value) if isinstance(value, str) else operator.index(value)
