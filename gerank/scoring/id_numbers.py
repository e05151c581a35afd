"""The numbers that stand for a column of ids: `Feature.encode`, a column at a time."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.schema import Feature, SchemaError
from gerank.scoring.errors import NotColumnarError

_FIRST, _PRIME = np.uint64(0xCBF29CE484222325), np.uint64(0x100000001B3)
_SIGN = np.uint64(2**63 - 1)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds texts."""
    types = pa.types
    return bool(types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind))


def id_numbers(feature: Feature, column: pa.Array) -> NDArray[np.int64]:
    """The number of each value.

    Args:
        feature: An id.
        column: [E] integers, truth values or texts, none of them null.

    Raises:
        NotColumnarError: The column is of another type, or a value does not fit.
    """
    if pa.types.is_dictionary(column.type):
        return _taken(id_numbers(feature, column.dictionary), column.indices)
    if is_text(column.type):
        distinct = column.dictionary_encode()
        return _taken(_of_texts(feature, distinct.dictionary), distinct.indices)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    elif not pa.types.is_integer(column.type):
        raise NotColumnarError(f"{feature.name}: {column.type}")
    return _as_int64(column)


def _taken(numbers: NDArray[np.int64], places: pa.Array) -> NDArray[np.int64]:
    taken: NDArray[np.int64] = numbers[places.to_numpy()]
    return taken


def _as_int64(column: pa.Array) -> NDArray[np.int64]:
    try:
        numbers: NDArray[np.int64] = column.cast(pa.int64()).to_numpy()
    except pa.ArrowInvalid as error:  # beyond 2^63
        raise NotColumnarError(str(error)) from None
    return numbers


def _of_texts(feature: Feature, texts: pa.Array) -> NDArray[np.int64]:
    if feature.hashed:
        return hashes(texts)
    try:
        return np.fromiter(map(feature.encode, texts.to_pylist()), np.int64, len(texts))
    except (SchemaError, UnicodeDecodeError) as error:
        raise NotColumnarError(str(error)) from None


def hashes(texts: pa.Array) -> NDArray[np.int64]:
    """`hash_id` of each text, byte by byte for all of them at once.

    Raises:
        NotColumnarError: A text is no UTF-8.
    """
    offsets, characters = text_parts(texts)
    begins, lengths = offsets[:-1], np.diff(offsets)
    order = np.argsort(-lengths, kind="stable")  # those that have a byte left stay in front
    begins, longest_first = begins[order], lengths[order]
    state = np.full(len(order), _FIRST)
    for place in range(int(longest_first[0]) if len(order) else 0):
        left = int(np.searchsorted(-longest_first, -place))
        state[:left] = (state[:left] ^ characters[begins[:left] + place]) * _PRIME
    numbers = np.empty(len(order), np.int64)
    numbers[order] = (state & _SIGN).astype(np.int64)
    return numbers


def text_parts(texts: pa.Array) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Where each text begins and ends, [E + 1], and the UTF-8 of all; no text is null.

    Raises:
        NotColumnarError: A text is no UTF-8.
    """
    column = texts.cast(pa.large_string())
    try:
        column.validate(full=True)
    except pa.ArrowInvalid as error:
        raise NotColumnarError(str(error)) from None
    _, places, characters = column.buffers()
    first, count = column.offset, len(column)
    if characters is None or count == 0:
        return np.zeros(count + 1, np.int64), np.zeros(0, np.uint8)
    offsets = np.frombuffer(places, np.int64, count + 1, 8 * first)
    text = np.frombuffer(characters, np.uint8)
    return offsets - offsets[0], text[offsets[0] : offsets[-1]]
