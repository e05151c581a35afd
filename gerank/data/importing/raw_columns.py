"""The columns that an import reads of one table, each once, under short names."""

from __future__ import annotations

from dataclasses import dataclass, field

import duckdb

from gerank.data.importing import casts
from gerank.data.importing.sql import column_sql, expression_type, literal

PLACE = "_gerank_place"
"""Column of the place of an item in the list that it came from, from 0."""


@dataclass(frozen=True)
class Value:
    """A value of a shown item: SQL over the long rows, its DuckDB type and the source's column."""

    sql: str
    kind: str
    column: str


@dataclass(frozen=True)
class LongRows:
    """A row per shown item.

    Attributes:
        select: The query; beside the values it has the row's number, its file and the place.
        values: Key of the mapping (page.id, shown.item, feedback.click, candidate.price, ...) ->
            its value in that query.
    """

    select: str
    values: dict[str, Value]


@dataclass
class RawColumns:
    """What is read of a table.

    Attributes:
        connection: Where the table lives.
        table: Its name.
        aliases: Column of the mapping -> its short name.
        types: Column of the mapping -> its DuckDB type.
    """

    connection: duckdb.DuckDBPyConnection
    table: str
    aliases: dict[str, str] = field(default_factory=dict)
    types: dict[str, str] = field(default_factory=dict)

    def add(self, column: str, key: str) -> str:
        """Reads a column too, and returns its short name; `key` is the mapping's key.

        Raises:
            ImportLogError: There is no such column, or the expression does not fit.
        """
        if column not in self.aliases:
            self.types[column] = expression_type(self.connection, self.table, column, key)
            self.aliases[column] = f"r{len(self.aliases)}"
        return self.aliases[column]

    def select(self) -> str:
        """The list of a SELECT that names them all."""
        return ", ".join(f"{column_sql(c)} AS {alias}" for c, alias in self.aliases.items())


def list_sql(value: str, kind: str, separator: str) -> str:
    """A list of the source: as it is, or out of a text."""
    if casts.is_list(kind):
        return value
    text = f"CAST({value} AS VARCHAR)"
    if separator:
        trimmed = f"nullif(trim({text}), '')"
        return f"string_split({trimmed}, {literal(separator)})"
    return f"TRY_CAST({text} AS VARCHAR[])"


def element_type(kind: str) -> str:
    """The type of the entries of a list; of a text that holds a list: text."""
    return kind[: kind.rindex("[")] if casts.is_list(kind) else "VARCHAR"
