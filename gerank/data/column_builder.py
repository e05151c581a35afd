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
"""A column with more distinct texts than these no longer shares those that come again."""


class ColumnBuilders:
    """All columns of a log. They move to files as soon as they take more memory than they may."""

    def __init__(
        self, types: Mapping[str, pa.DataType], memory_mb: int, least_bytes: int = 0
    ) -> None:
        """Columns without values.

        Args:
            types: Name the type of every column.
            memory_mb: What they may take, in MiB.
            least_bytes: What they will take in any case: where that is too much they go to files
                from the start.
        """
        self._builders = {name: _Builder(name, kind) for name, kind in types.items()}
        self._memory_mb = memory_mb
        self.store = ColumnStore.for_columns(least_bytes, memory_mb)

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
    """One column: parts in memory, or all parts so far in a file and the newest in memory.

    Texts stay in Arrow's memory until the end, where many of them take less than as Python objects.
    """

    def __init__(self, name: str, kind: pa.DataType) -> None:
        value = kind.value_type if pa.types.is_list(kind) else kind
        self._is_text, self._is_list = pa.types.is_string(value), pa.types.is_list(kind)
        self._stays = name == PERSON_ID  # splits go by people all the time
        self._dtype = np.int64 if pa.types.is_integer(value) else np.float32
        self._parts: list[Any] = []
        self._lengths: list[NDArray[np.int32]] = []
        self._file: IO[bytes] | None = None
        self._bounds: IO[bytes] | None = None
        self.bytes = 0

    def add(self, values: pa.Array, lengths: NDArray[np.int64] | None) -> None:
        part = values if self._is_text else to_numpy(values)
        self._parts.append(part)
        self.bytes += part.nbytes + 8 * len(values) * self._is_text
        if lengths is not None:
            self._lengths.append(lengths.astype(np.int32))

    def spill(self, store: ColumnStore) -> None:
        """Appends the parts in memory to the file."""
        if self._stays:
            return
        if self._file is None:
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  `column` closes it
        for part in self._parts:
            with store.room(part.nbytes):
                if self._is_text:
                    self._spill_texts(part, self._file)
                else:
                    self._file.write(part.data)
        self._parts.clear()

    def _spill_texts(self, part: pa.Array, file: IO[bytes]) -> None:
        """The bytes of all, and in a file of its own where each ends, behind where it begins."""
        if self._bounds is None:
            self._bounds = tempfile.TemporaryFile()  # noqa: SIM115  `column` closes it
            self._bounds.write(np.zeros(1, np.int64).data)
        _, offsets, data = part.buffers()
        if not len(part):
            return
        ends = np.frombuffer(offsets, np.int32)[part.offset : part.offset + len(part) + 1]
        self._bounds.write((file.tell() + ends[1:].astype(np.int64) - ends[0]).data)
        if data is not None:
            file.write(data[int(ends[0]) : int(ends[-1])])

    def column(self, store: ColumnStore) -> Column:
        """All values; the builder is empty then."""
        offsets = None
        if self._is_list:
            pages = sum(map(len, self._lengths))
            offsets = np.zeros(pages + 1, np.int64)
            if pages:
                np.cumsum(np.concatenate(self._lengths), out=offsets[1:])
        self._lengths.clear()
        values = self._in_memory() if self._file is None else self._in_file(self._file, store)
        self._parts.clear()
        return Column(values, offsets)

    def _in_memory(self) -> NDArray[Any]:
        if self._is_text:
            return _python_texts(self._parts)
        return np.concatenate(self._parts) if self._parts else np.empty(0, self._dtype)

    def _in_file(self, file: IO[bytes], store: ColumnStore) -> NDArray[Any] | MappedTexts:
        with file:
            data = store.mapped(file, file.tell(), np.uint8 if self._is_text else self._dtype)
        if self._bounds is None:
            return data
        with self._bounds as bounds:
            places = store.mapped(bounds, bounds.tell(), np.int64)
        return MappedTexts(data, places[:-1], places[1:])


def _python_texts(parts: list[pa.Array]) -> NDArray[Any]:
    """Python strings; a name that comes again is the same object."""
    known: dict[str, str] = {}
    texts, filled = np.empty(sum(map(len, parts)), np.object_), 0
    for part in parts:
        distinct = part.dictionary_encode()
        names = distinct.dictionary.to_pylist()
        if len(known) < _MOST_SHARED:
            names = [known.setdefault(name, name) for name in names]
        shared = np.fromiter(names, np.object_, len(names))
        texts[filled : filled + len(part)] = shared[distinct.indices.to_numpy()]
        filled += len(part)
    return texts
