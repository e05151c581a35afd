"""The database in which an import casts, groups and sorts."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import duckdb

from gerank.data.importing.errors import ImportLogError
from gerank.data.importing.hashing import register_hash

DEFAULT_MEMORY = "1GB"
"""Memory that DuckDB takes at most; what does not fit goes to the folder of temporary files."""


@contextmanager
def database(memory: str = DEFAULT_MEMORY) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database in a folder of temporary files, which goes when it is done with.

    Raises:
        ImportLogError: `memory` is no size.
    """
    with tempfile.TemporaryDirectory(prefix="gerank-import-") as folder:
        try:
            settings: dict[str, Any] = {
                "memory_limit": memory,
                "temp_directory": str(Path(folder) / "spill"),
            }
            connection = duckdb.connect(str(Path(folder) / "import.duckdb"), config=settings)
        except duckdb.Error:
            raise ImportLogError(f"memory: {memory!r} is not a size such as 2GB") from None
        try:
            connection.execute("SET TimeZone = 'UTC'")
            connection.execute("SET enable_progress_bar = false")
            register_hash(connection)
            yield connection
        finally:
            connection.close()
