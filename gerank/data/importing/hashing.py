"""`hash_id` for whole columns: the same numbers as the function of the schema gives one by one."""

from __future__ import annotations

from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.importing.features import HASH_FUNCTION

_BASIS = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_SIGN_BIT = np.uint64(2**63)


def register_hash(connection: duckdb.DuckDBPyConnection) -> None:
    """Makes the hash a function of SQL; the hash of NULL is NULL."""

    def hashed(texts: Any) -> pa.Array:
        return pa.array(hash_ids(texts))

    arrow: Any = "arrow"  # the enumeration of it lives elsewhere in every version of DuckDB
    connection.create_function(HASH_FUNCTION, hashed, ["VARCHAR"], "BIGINT", type=arrow)


def hash_ids(texts: Any) -> NDArray[np.int64]:
    """FNV-1a, 64 bit, without the sign bit, of every text.

    Args:
        texts: [E] A column of texts of pyarrow, no nulls.

    Returns:
        [E] int64, none negative.
    """
    if isinstance(texts, pa.ChunkedArray):
        texts = texts.combine_chunks()
    column = texts.cast(pa.large_binary())
    offsets = np.frombuffer(column.buffers()[1], dtype=np.int64)
    offsets = offsets[column.offset : column.offset + len(column) + 1]
    content = column.buffers()[2]
    octets = np.frombuffer(content, dtype=np.uint8) if content else np.zeros(0, dtype=np.uint8)
    lengths = np.diff(offsets)
    state = np.full(len(column), _BASIS, dtype=np.uint64)
    for place in range(int(lengths.max(initial=0))):
        longer = np.flatnonzero(lengths > place)
        state[longer] = (state[longer] ^ octets[offsets[longer] + place]) * _PRIME
    return (state & ~_SIGN_BIT).astype(np.int64)
