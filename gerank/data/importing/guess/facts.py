"""What a table's columns hold, as far as a guess needs to know it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import duckdb

from gerank.data.importing import casts
from gerank.data.importing.raw_columns import element_type
from gerank.data.importing.sql import first_row, quoted, table_columns


@dataclass(frozen=True)
class ColumnFacts:
    """One column.

    Attributes:
        name: As the source has it.
        kind: Its DuckDB type.
        rows: Counts the rows of the table.
        present: Rows that have a value.
        distinct: About how many values there are; of a list: among its entries.
        lowest, highest: Bound a number or time; None = of no such type, or no value.
        width: Is the length that a list has in all rows; 0 = lengths differ.
        longest: Is the greatest length of a list.
        inner: Describes the entries of a list of lists; None = of no such.
    """

    name: str
    kind: str
    rows: int
    present: int
    distinct: int
    lowest: float | None = None
    highest: float | None = None
    width: int = 0
    longest: int = 0
    inner: ColumnFacts | None = None

    @property
    def of_item(self) -> ColumnFacts:
        """What is known of an entry, where a list has one per shown item."""
        if self.inner is not None:
            return replace(self.inner, rows=self.rows, present=self.present)
        return replace(self, kind=self.entry_kind, width=0, longest=0)

    @property
    def is_list(self) -> bool:
        """Whether a cell holds a list."""
        return casts.is_list(self.kind)

    @property
    def entry_kind(self) -> str:
        """The type of a cell, or of the entries of its list."""
        return element_type(self.kind) if self.is_list else self.kind

    @property
    def is_flag(self) -> bool:
        """Whether the values are yes and no."""
        kind = self.entry_kind
        bits = casts.is_integer(kind) and self.lowest in (0, 1) and self.highest in (0, 1)
        return kind == "BOOLEAN" or bits

    @property
    def is_number(self) -> bool:
        """Whether the values are numbers."""
        return casts.is_integer(self.entry_kind) or casts.is_real(self.entry_kind)


def column_facts(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, ColumnFacts]:
    """The facts of every column, in the order of the table."""
    relation = connection.sql(f"SELECT * FROM {quoted(table)} LIMIT 0")
    kinds = dict(zip(relation.columns, map(str, relation.types), strict=True))
    names = table_columns(connection, table)
    single = [name for name in names if not casts.is_list(kinds[name])]
    facts = _single_facts(connection, table, {name: kinds[name] for name in single})
    facts |= {
        name: _list_facts(connection, quoted(table), name, kinds[name])
        for name in names
        if name not in facts
    }
    return {name: facts[name] for name in names}


def _single_facts(
    connection: duckdb.DuckDBPyConnection, table: str, kinds: dict[str, str]
) -> dict[str, ColumnFacts]:
    """The facts of columns without lists, all in one pass."""
    asked = [
        figure
        for name, kind in kinds.items()
        for figure in (f"count({quoted(name)})", *_figures(quoted(name), kind))
    ]
    rows, *found = first_row(connection, f"SELECT {', '.join(['count(*)', *asked])} FROM {table}")
    return {
        name: ColumnFacts(name, kind, rows, *found[4 * place : 4 * place + 4])
        for place, (name, kind) in enumerate(kinds.items())
    }


def _list_facts(
    connection: duckdb.DuckDBPyConnection, table: str, name: str, kind: str
) -> ColumnFacts:
    """The facts of a column of lists; `table` is SQL."""
    column = quoted(name)
    sizes = f"count({column}), min(len({column})), max(len({column}))"
    rows, present, shortest, longest = first_row(
        connection, f"SELECT count(*), {sizes} FROM {table}"
    )
    figures = ", ".join(_figures("value", element_type(kind)))
    values = f"SELECT unnest({column}) AS value FROM {table}"
    distinct, lowest, highest = first_row(connection, f"SELECT {figures} FROM ({values})")
    width = int(longest or 0) if shortest == longest else 0
    inner = None
    if casts.is_list(element_type(kind)):
        entries = f"(SELECT unnest({column}) AS {column} FROM {table})"
        inner = _list_facts(connection, entries, name, element_type(kind))
    return ColumnFacts(
        name, kind, rows, present, distinct, lowest, highest, width, int(longest or 0), inner
    )


def _figures(value: str, kind: str) -> tuple[str, str, str]:
    """SQL of the distinct values, the lowest and the highest."""
    nested = casts.is_list(kind) or kind.startswith(("STRUCT", "MAP", '"NULL"', "JSON"))
    distinct = "0" if nested else f"approx_count_distinct({value})"
    if not (casts.is_integer(kind) or casts.is_real(kind)):
        return distinct, "NULL", "NULL"
    return distinct, f"CAST(min({value}) AS DOUBLE)", f"CAST(max({value}) AS DOUBLE)"
