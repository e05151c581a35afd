"""Columns of a log as they grow, a row group at a time: in memory, or at the end of a file."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from typing import IO, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.column_store import ColumnStore
from gerank.data.exposure_parquet import Column
from gerank.data.log_columns import PERSON_ID
from gerank.data.mapped_texts import MappedTexts

_MOST_SHARED = 1 << 20
"""Of a column with more distinct texts it is not worth to look for those that come again."""


class ColumnBuilders:
    """All columns of a log. They move to files as soon as they take more memory than they may."""

    def __init__(self, types: Mapping[str, pa.DataType], memory_mb: int) -> None:
        """Columns without values.

        Args:
            types: Name the type of every column.
            memory_mb: What they may take, in MiB.
        """
        self._builders = {name: _Builder(name, kind) for name, kind in types.items()}
        self._memory_mb = memory_mb
        self.store = ColumnStore()

    def add(self, name: str, values: pa.Array, lengths: NDArray[np.int64] | None) -> None:
        """Appends the values of some pages; `lengths` of their lists, None where each has one."""
        self._builders[name].add(values, lengths)

    def settle(self) -> None:
        """Moves the columns to files if they have become too large.

        Raises:
            ColumnStoreError: There is no room for them.
        """
        size = sum(builder.bytes for builder in self._builders.values())
        if not self.store.is_mapped:
            self.store = ColumnStore.for_columns(size, self._memory_mb)
        if self.store.is_mapped:
            for builder in self._builders.values():
                builder.spill(self.store)

    def columns(self) -> dict[str, Column]:
        """All that was added; the builders are empty then."""
        return {name: builder.column(self.store) for name, builder in self._builders.items()}


def to_numpy(array: pa.Array) -> NDArray[Any]:
    """Numbers of Arrow as int64 or float32."""
    dtype = np.int64 if pa.types.is_integer(array.type) else np.float32
    numbers: NDArray[Any] = array.to_numpy(zero_copy_only=False).astype(dtype)
    return numbers


class _Builder:
    """One column: parts in memory, or all parts so far in a file and the newest in memory."""

    def __init__(self, name: str, kind: pa.DataType) -> None:
        value = kind.value_type if pa.types.is_list(kind) else kind
        self._is_text = pa.types.is_string(value)
        self._stays = name == PERSON_ID  # splits go by people all the time
        self._dtype = np.int64 if pa.types.is_integer(value) else np.float32
        self._parts: list[NDArray[Any]] = []
        self._lengths: list[NDArray[np.int64]] = []
        self._is_list = pa.types.is_list(kind)
        self._known: dict[str, str] = {}
        self._file: IO[bytes] | None = None
        self._sizes: list[NDArray[np.int64]] = []
        self.bytes = 0

    def add(self, values: pa.Array, lengths: NDArray[np.int64] | None) -> None:
        part = self._texts(values) if self._is_text else to_numpy(values)
        self._parts.append(part)
        self.bytes += 2 * part.nbytes if self._is_text else part.nbytes
        if lengths is not None:
            self._lengths.append(lengths)

    def spill(self, store: ColumnStore) -> None:
        """Appends the parts in memory to the file."""
        if self._stays:
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  `column` closes it
        for part in self._parts:
            data: Any = part.data
            if self._is_text:
                encoded = [text.encode() for text in part]
                self._sizes.append(np.fromiter(map(len, encoded), np.int64, len(encoded)))
                data = b"".join(encoded)
            with store.room(part.nbytes):
                self._file.write(data)
        self._parts.clear()
        self._known.clear()

    def column(self, store: ColumnStore) -> Column:
        """All values; the builder is empty then."""
        offsets = None
        if self._is_list:
            none = np.zeros(1, np.int64)
            offsets = np.cumsum(np.concatenate([none, *self._lengths]))
        values = self._in_memory() if self._file is None else self._in_file(self._file, store)
        self._parts.clear()
        return Column(values, offsets)

    def _in_memory(self) -> NDArray[Any]:
        if self._parts:
            return self._parts[0] if len(self._parts) == 1 else np.concatenate(self._parts)
        return np.empty(0, np.object_ if self._is_text else self._dtype)

    def _in_file(self, file: IO[bytes], store: ColumnStore) -> NDArray[Any] | MappedTexts:
        with file:
            size = file.tell()
            if not self._is_text:
                return store.mapped(file, size, self._dtype)
            data = store.mapped(file, size, np.uint8)
        sizes = np.concatenate(self._sizes)
        ends = store.column(len(sizes), np.int64)
        np.cumsum(sizes, out=ends)
        begins = store.column(len(sizes), np.int64)
        np.subtract(ends, sizes, out=begins)
        store.give_back()
        return MappedTexts(data, begins, ends)

    def _texts(self, values: pa.Array) -> NDArray[Any]:
        """Python strings; a name that comes again is the same object."""
        distinct = values.dictionary_encode()
        texts = distinct.dictionary.to_pylist()
        if len(self._known) < _MOST_SHARED:
            texts = [self._known.setdefault(text, text) for text in texts]
        shared = np.fromiter(texts, np.object_, len(texts))
        column: NDArray[Any] = shared[distinct.indices.to_numpy()]
        return column
