"""Where the columns of a log lie: in memory, or in temporary files that the system maps.

A log that is larger than what it may take of memory is kept in files of the folder for temporary
files (`TMPDIR`), which have no name and vanish with the process. Their pages count as memory of
the process from when they are read until they are given back.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

DEFAULT_MEMORY_MB = 1024
_CHUNK_BYTES = 1 << 16
"""The system maps the neighbourhood of what is read as well, up to so many bytes."""


class ColumnStoreError(OSError):
    """There is no room for a column; the message says where and how much was asked for."""


@dataclass
class ColumnStore:
    """Gives columns their place, and gives mapped memory back.

    Attributes:
        budget: Bytes of mapped columns that may stay in memory; None = all columns lie in memory.
    """

    budget: int | None = None
    _maps: list[mmap.mmap] = field(default_factory=list, repr=False)
    _touched: int = field(default=0, repr=False)

    @classmethod
    def for_columns(cls, size: int, memory_mb: int) -> ColumnStore:
        """A store for columns of `size` bytes: in memory where they fit into `memory_mb` MiB."""
        limit = memory_mb << 20
        return cls(None if size <= limit else limit // 4)

    @property
    def is_mapped(self) -> bool:
        """Whether columns lie in files."""
        return self.budget is not None

    def column(self, length: int, dtype: DTypeLike) -> NDArray[Any]:
        """[length] a column whose values are not set yet.

        Raises:
            ColumnStoreError: The folder of temporary files has no room for it.
        """
        size = length * np.dtype(dtype).itemsize
        if self.budget is None or not size:
            return np.empty(length, dtype)
        with self.room(size), tempfile.TemporaryFile() as file:
            # A hole that cannot be filled later would kill the process, not raise an error.
            os.posix_fallocate(file.fileno(), 0, size)
            return self.mapped(file, size, dtype)

    def mapped(self, file: IO[bytes], size: int, dtype: DTypeLike) -> NDArray[Any]:
        """The first `size` bytes of a file as a column; the file may be closed.

        Raises:
            ColumnStoreError: There is no room for what was written to the file last.
        """
        if not size:
            return np.empty(0, dtype)
        with self.room(size):
            file.flush()
        self._maps.append(mmap.mmap(file.fileno(), size))
        return np.frombuffer(self._maps[-1], dtype)

    @contextlib.contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Says what was asked for where the folder of temporary files has no room inside.

        Raises:
            ColumnStoreError: There is none.
        """
        try:
            yield
        except OSError as error:
            raise ColumnStoreError(
                error.errno,
                f"no room for {size / 2**20:.0f} MiB of a log's column: {error.strerror}; let "
                "TMPDIR name a folder with more, or raise data.memory_mb to do without the file",
                tempfile.gettempdir(),
            ) from error

    def read(self, places: NDArray[np.int64], columns: int, itemsize: int = 4) -> None:
        """Takes note that `columns` columns were read at `places`, and gives back what is too much.

        Only neighbouring places may share a piece of memory: in random order every place costs one.
        """
        if self.budget is None or not len(places):
            return
        chunks = places * itemsize // _CHUNK_BYTES
        self._touched += int(np.count_nonzero(np.diff(chunks)) + 1) * columns * _CHUNK_BYTES
        if self._touched > self.budget:
            self.release_memory()

    def release_memory(self) -> None:
        """Takes all mapped columns out of the process's memory; they are read again when needed."""
        for mapped in self._maps:
            mapped.madvise(mmap.MADV_DONTNEED)
        self._touched = 0
