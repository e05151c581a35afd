"""A first mapping, written from the table itself for a person to edit."""

from __future__ import annotations

from typing import Any

import duckdb

from gerank.data.importing.database import DEFAULT_MEMORY, database
from gerank.data.importing.guess.facts import column_facts
from gerank.data.importing.guess.roles import guess_roles
from gerank.data.importing.guess.text import mapping_text
from gerank.data.importing.mapping import SourceOptions
from gerank.data.importing.sources import open_source, read_error

__all__ = ["guess_mapping"]

_HELD = "held"
"""The table that the source is copied to, for it is looked at many times."""


def guess_mapping(
    table: Any, options: SourceOptions | None = None, memory: str = DEFAULT_MEMORY
) -> str:
    """A commented mapping file.

    Args:
        table: The log: a table of pandas, polars or pyarrow, or paths, globs, folders or URLs.
        options: How files are read.
        memory: What DuckDB takes at most.

    Raises:
        ImportLogError: The source cannot be read.
    """
    with database(memory) as connection:
        source = open_source(connection, "log", table, options, typed=True)
        try:
            connection.execute(f"CREATE TABLE {_HELD} AS SELECT * FROM log")
            facts = column_facts(connection, _HELD)
            roles = guess_roles(connection, _HELD, facts, source.partitions)
            lines = [*mapping_text(connection, _HELD, facts, roles)]
        except duckdb.Error as error:
            raise read_error(source.title, error) from None
    return "\n".join(lines).rstrip() + "\n"
