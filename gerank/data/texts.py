"""Columns of texts: arrays of Python strings.

numpy's own strings have one width for all: one id of 5,000 characters among short ones would cost
20 kB for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray


def text_column(values: NDArray[Any]) -> NDArray[Any]:
    """`values` with numpy's own strings as Python's: [E] object. Others stay as they are."""
    return values.astype(np.object_) if values.dtype.kind in "UT" else values


def text_column_of(texts: Iterable[str]) -> NDArray[Any]:
    """A column of texts: [E] object."""
    return np.fromiter(texts, np.object_)


def is_text_column(values: NDArray[Any]) -> bool:
    """Whether each of the values is a string."""
    return values.dtype.kind == "O" and all(isinstance(text, str) for text in values.flat)
