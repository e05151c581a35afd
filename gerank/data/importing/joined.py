"""Tables of items and people, cast and ready to be looked up by their key."""

from __future__ import annotations

import duckdb

from gerank.data.importing import casts
from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.features import PlannedFeature
from gerank.data.importing.raw_columns import RawColumns
from gerank.data.importing.shown import complaints
from gerank.data.importing.sources import Source
from gerank.data.importing.sql import FILE, ROW, literal, quoted

LOOKED_UP = {"items": "looked_up_items", "users": "looked_up_users"}
"""Table of the mapping -> our table, with the column `key` and its features."""


def make_joined(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    source: Source,
    key: str,
    features: tuple[PlannedFeature, ...],
    bad: BadRows,
) -> None:
    """Casts a table's key and features; a key may be there once.

    Args:
        connection: Where the table lives.
        name: `items` or `users`.
        source: The table.
        key: Its column that is looked up.
        features: All that are planned; those of this table are read.
        bad: Learns of rows that cannot be cast and of keys that are there twice.

    Raises:
        ImportLogError: A column is not there; or a row is bad and bad rows are not skipped.
    """
    raw, table = RawColumns(connection, source.table), LOOKED_UP[name]
    alias = raw.add(key, f"{name}.key")
    own = [f for f in features if f.column.table == name]
    for feature in own:
        raw.add(feature.column.column, feature.key)
    cast = casts.identity(alias, raw.types[key], f"{name}.key")
    parts = [("key", key, alias, cast.also(f"{alias} IS NULL", "has no value"))]
    for feature in own:
        column = feature.column.column
        value = raw.aliases[column]
        parts.append((feature.key, column, value, feature.cast(value, raw.types[column])))
    columns = ", ".join(f"{part[3].sql} AS {quoted(part[0])}" for part in parts)
    cases = "".join(complaints(*part[1:]) for part in parts)
    connection.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT {ROW}, {FILE}, {columns}, CASE {cases} END AS "
        f"said FROM (SELECT {ROW}, {FILE}, {raw.select()} FROM {quoted(source.table)})"
    )
    found = bad.collect(
        source,
        f"SELECT {ROW}, {FILE}, NULL, said.name, said.value, said.reason FROM {table} "
        "WHERE said IS NOT NULL",
    )
    twice = bad.collect(
        source,
        f"SELECT max({ROW}), arg_max({FILE}, {ROW}), NULL, {literal(key)}, key, 'is there twice' "
        f"FROM {table} WHERE said IS NULL GROUP BY key HAVING count(*) > 1",
    )
    if found or twice:
        connection.execute(
            f"DELETE FROM {table} WHERE said IS NOT NULL OR {ROW} IN ({bad.rows(source)})"
        )
