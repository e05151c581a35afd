"""Vocabularies that a table tells by itself: the texts that it holds often enough."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping as MappingType

import duckdb

from gerank.data.feature_block import EMPTY_NAME
from gerank.data.importing import casts
from gerank.data.importing.choices import ColumnKind, Layout
from gerank.data.importing.errors import MappingError
from gerank.data.importing.feature_column import FeatureColumn
from gerank.data.importing.mapping import Mapping
from gerank.data.importing.raw_columns import element_type, list_sql
from gerank.data.importing.sources import Source
from gerank.data.importing.sql import column_sql, expression_type, quoted
from gerank.data.schema import UNKNOWN_NAME

MOST_VALUES = 8192
"""More values than these are hashed: their names would travel in every artifact."""


def with_frequent_values(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    tables: MappingType[str, Source | None],
) -> Mapping:
    """The mapping with values in place of every `min_count`.

    Args:
        connection: Where the tables live.
        mapping: What a person wrote.
        tables: "" (the log), "items" and "users" -> the table.

    Raises:
        MappingError: The column holds no texts, or too many values are frequent.
    """

    def of_side(side: str) -> dict[str, FeatureColumn]:
        return {
            name: _with_values(connection, mapping, tables, side, name, column)
            if column.min_count
            else column
            for name, column in getattr(mapping, side).items()
        }

    return dataclasses.replace(mapping, user=of_side("user"), candidate=of_side("candidate"))


def _with_values(
    connection: duckdb.DuckDBPyConnection,
    mapping: Mapping,
    tables: MappingType[str, Source | None],
    side: str,
    name: str,
    column: FeatureColumn,
) -> FeatureColumn:
    where, table = f"{side}.{name}", tables[column.table]
    assert table is not None
    source = column.column or name
    kind = expression_type(connection, table.table, source, where)
    select = f"SELECT {column_sql(source)} AS value FROM {quoted(table.table)}"
    for separator in _separators(mapping, side, column):
        select = f"SELECT unnest({list_sql('value', kind, separator)}) AS value FROM ({select})"
        kind = element_type(kind)
    if not casts.is_text(kind):
        raise MappingError(
            f"{where}: min_count: a column of type {kind} holds no texts; an expression such as "
            "=CAST(... AS VARCHAR) makes texts of it, which requests then give too"
        )
    found = connection.execute(
        f"SELECT CAST(value AS VARCHAR) AS name FROM ({select}) WHERE value IS NOT NULL "
        f"AND CAST(value AS VARCHAR) NOT IN ('{UNKNOWN_NAME}', '{EMPTY_NAME}') "
        f"GROUP BY name HAVING count(*) >= {column.min_count} ORDER BY name"
    ).fetchall()
    if not 1 <= len(found) <= MOST_VALUES:
        raise MappingError(
            f"{where}: min_count: {len(found)} values are there {column.min_count} times or more, "
            f"not 1 to {MOST_VALUES}"
        )
    values = tuple(row[0] for row in found)
    return dataclasses.replace(column, min_count=0, values=values, unknown=True)


def _separators(mapping: Mapping, side: str, column: FeatureColumn) -> list[str]:
    """That of the list that a cell holds, and of the lists within it; none where it holds one text.

    A candidate's cell of a wide table has an entry per shown item.
    """
    per_item = mapping.layout is Layout.WIDE and side == "candidate" and not column.table
    separators = [mapping.source.list_separator] if per_item else []
    if column.kind is ColumnKind.IDS:
        separators.append("" if per_item else mapping.source.list_separator)
    return separators
