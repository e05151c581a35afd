"""How names, texts and the mapping's columns are written in DuckDB's SQL."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any

import duckdb

from gerank.data.importing.errors import MappingError

EXPRESSION_MARK = "="
"""A column of the mapping that begins so is an expression of DuckDB, as in a spreadsheet."""


def quoted(name: str) -> str:
    """A column or table by its name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """A text."""
    return "'" + text.replace("'", "''") + "'"


def column_sql(column: str) -> str:
    """What stands in SQL for a column of the mapping: its quoted name, or its expression."""
    if column.startswith(EXPRESSION_MARK):
        return f"({column[len(EXPRESSION_MARK) :]})"
    return quoted(column)


def expression_type(
    connection: duckdb.DuckDBPyConnection, table: str, column: str, key: str
) -> str:
    """The DuckDB type that a column of the mapping has in a table.

    Args:
        connection: Where the table lives.
        table: Its name.
        column: A name or an expression.
        key: The mapping's key that names the column.

    Raises:
        MappingError: There is no such column, or the expression does not fit the table.
    """
    if not column.startswith(EXPRESSION_MARK):
        names = table_columns(connection, table)
        if column not in names:
            raise MappingError(no_such_column(key, column, names))
    try:
        sql = f"SELECT {column_sql(column)} AS found FROM {quoted(table)}"
        return str(connection.sql(sql).types[0])
    except duckdb.Error as error:
        reason = " ".join(str(error).split("\n")[0].split())
        raise MappingError(f"{key}: {column!r} is no expression that fits: {reason}") from None


def table_columns(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """The columns of a source, without those that gerank adds."""
    names = connection.sql(f"SELECT * FROM {quoted(table)} LIMIT 0").columns
    return [name for name in names if name not in ADDED]


def no_such_column(key: str, column: str, names: Iterable[str]) -> str:
    """The message for a column that is not there."""
    names = list(names)
    if column == "?":
        return f"{key}: '?' stands for a column that is still to be named, of {', '.join(names)}"
    near = difflib.get_close_matches(column, names, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    return f"{key}: the source has no column {column!r}{hint or '.'} Columns: {', '.join(names)}"


ROW, FILE = "_gerank_row", "_gerank_file"
"""Columns that gerank adds to a source: the number of the row, from 1, and its file."""
ADDED = (ROW, FILE)


def first_row(connection: duckdb.DuckDBPyConnection, query: str) -> tuple[Any, ...]:
    """The first row of what a query finds; empty if it finds none.

    All rows are fetched, since a connection does no other work before that.
    """
    found = connection.execute(query).fetchall()
    return found[0] if found else ()
