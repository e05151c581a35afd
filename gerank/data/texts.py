"""Columns of texts: arrays of Python strings.

numpy's own strings have one width for all: one id of 5,000 characters among short ones would cost
20 kB for each of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.mapped_texts import MappedTexts

TextColumn = NDArray[Any] | MappedTexts
"""[E] object, each a str: in memory, or in a file."""


def text_column(values: TextColumn) -> TextColumn:
    """`values` with numpy's own strings as Python's: [E] object. Others stay as they are."""
    if isinstance(values, MappedTexts):
        return values
    return values.astype(np.object_) if values.dtype.kind in "UT" else values


def text_column_of(texts: Iterable[str]) -> NDArray[Any]:
    """A column of texts: [E] object."""
    return np.fromiter(texts, np.object_)


def is_text_column(values: TextColumn) -> bool:
    """Whether each of the values is a string."""
    return isinstance(values, MappedTexts) or _all_texts(values)


def _all_texts(values: NDArray[Any]) -> bool:
    return values.dtype.kind == "O" and all(isinstance(text, str) for text in values.flat)
