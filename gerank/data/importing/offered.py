"""The table of candidates that the log tells of beside the shown items."""

from __future__ import annotations

import duckdb

from gerank.data.importing import casts
from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.casts import Cast
from gerank.data.importing.choices import ColumnKind, Layout
from gerank.data.importing.errors import MappingError
from gerank.data.importing.features import PlannedFeature
from gerank.data.importing.mapping import Mapping
from gerank.data.importing.raw_columns import RawColumns, element_type, list_sql
from gerank.data.importing.shown import SHOWN, complaints
from gerank.data.importing.sources import Source
from gerank.data.importing.sql import FILE, ROW, first_row, literal, quoted, table_columns

OFFERED = "offered"
"""The table's name. Columns: page, item, `candidate.` features of the log, the row and its file."""

MOST_CANDIDATES = 512
"""Candidates of a page that a model can take."""


def make_offered(
    connection: duckdb.DuckDBPyConnection,
    log: Source,
    candidates: Source | None,
    mapping: Mapping,
    features: tuple[PlannedFeature, ...],
    bad: BadRows,
) -> bool:
    """Makes the table, if the mapping tells of more candidates than the shown items.

    Args:
        connection: Where the tables live.
        log: The log itself.
        candidates: The second table, where the mapping names one.
        mapping: What the columns mean.
        features: All that are planned.
        bad: Learns of rows that cannot be cast.

    Raises:
        ImportLogError: A column is not there, there are too many items, or a row is bad and bad
            rows are not skipped.
    """
    wanted = tuple(f for f in features if f.side == "candidate" and not f.column.table)
    if mapping.candidates.every_item:
        _every_item(connection, mapping, wanted)
    elif candidates is not None:
        _second_table(connection, candidates, mapping, wanted, bad)
    elif mapping.candidates.column:
        _listed(connection, log, mapping, wanted, bad)
    else:
        return False
    return True


def _every_item(
    connection: duckdb.DuckDBPyConnection, mapping: Mapping, features: tuple[PlannedFeature, ...]
) -> None:
    items = int(first_row(connection, f"SELECT count(DISTINCT item) FROM {SHOWN}")[0])
    if items > MOST_CANDIDATES:
        raise MappingError(
            f"candidates.every_item: the log shows {items} items, and a page has at most "
            f"{MOST_CANDIDATES} candidates"
        )
    same = [f.key for f in features if f.column.column == mapping.shown.item]
    columns = ", ".join(
        f"any_value({quoted(f.key)}) AS {quoted(f.key)}"
        if f.key in same
        else f"any_value({quoted(f.key)}) FILTER (false) AS {quoted(f.key)}"
        for f in features
    )
    connection.execute(
        f"CREATE OR REPLACE TABLE {OFFERED} AS SELECT page, every.*, NULL::BIGINT AS {ROW}, "
        f"NULL::VARCHAR AS {FILE} FROM (SELECT DISTINCT page FROM {SHOWN}), "
        f"(SELECT item{', ' if columns else ''}{columns} FROM {SHOWN} GROUP BY item) AS every"
    )


def _second_table(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    mapping: Mapping,
    features: tuple[PlannedFeature, ...],
    bad: BadRows,
) -> None:
    raw, there = RawColumns(connection, source.table), table_columns(connection, source.table)
    page, item = mapping.candidates.page, mapping.candidates.item
    values = {
        "page": (page, raw.add(page, "candidates.page")),
        "item": (item, raw.add(item, "candidates.item")),
    }
    for feature in features:
        column = feature.column.column
        if column == mapping.shown.item:
            column = item
        if column in there or column.startswith("="):
            values[feature.key] = column, raw.add(column, feature.key)
        elif feature.column.kind is ColumnKind.IDS:
            raise MappingError(
                f"{feature.side}.{feature.block}: the table of candidates has no column "
                f"{column!r}: every candidate that was not shown would have an empty list"
            )
    select = f"SELECT {ROW}, {FILE}, {raw.select()} FROM {quoted(source.table)}"
    kinds = {key: raw.types[column] for key, (column, _) in values.items()}
    _cast(connection, source, features, bad, select, values, kinds)


def _listed(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    mapping: Mapping,
    features: tuple[PlannedFeature, ...],
    bad: BadRows,
) -> None:
    raw, column = RawColumns(connection, source.table), mapping.candidates.column
    separator, wide = mapping.source.list_separator, mapping.layout is Layout.WIDE
    alias = raw.add(column, "candidates.column")
    page = raw.add(mapping.page.id, "page.id") if mapping.page.id else ROW
    kinds = {
        "page": raw.types[mapping.page.id] if mapping.page.id else "BIGINT",
        "item": element_type(raw.types[column]),
    }
    items = list_sql(alias, raw.types[column], separator)
    entries, values = {"item": f"({items})[place]"}, {"item": (column, "v0")}
    checks = [
        f"WHEN {alias} IS NOT NULL AND {items} IS NULL THEN {_said(column, alias, 'is not a list')}"
    ]
    for feature in features:
        name = feature.column.column
        if name == mapping.shown.item:
            values[feature.key], kinds[feature.key] = (name, "v0"), kinds["item"]
        elif wide:
            held = raw.add(name, feature.key)
            values[feature.key] = name, f"v{len(entries)}"
            kinds[feature.key] = element_type(raw.types[name])
            listed = list_sql(held, raw.types[name], separator)
            entries[feature.key] = f"({listed})[place]"
            counts = f"concat(len({listed}), ' entries for ', len({items}), ' candidates')"
            checks.append(
                f"WHEN {held} IS NOT NULL AND len({listed}) IS DISTINCT FROM len({items}) "
                f"THEN {_said(name, counts, 'do not fit each other')}"
            )
    once = "" if wide else f" QUALIFY row_number() OVER (PARTITION BY {page} ORDER BY {ROW}) = 1"
    base = f"SELECT {ROW}, {FILE}, {raw.select()} FROM {quoted(source.table)}{once}"
    bad.collect(
        source,
        f"SELECT {ROW}, {FILE}, CAST({page} AS VARCHAR), said.name, said.value, said.reason FROM "
        f"(SELECT *, CASE {' '.join(checks)} END AS said FROM ({base})) WHERE said IS NOT NULL",
    )
    chosen = ", ".join(f"{sql} AS v{n}" for n, sql in enumerate(entries.values()))
    select = (
        f"SELECT {ROW}, {FILE}, {page} AS page, {chosen} FROM ({base}), "
        f"unnest(range(1, len({items}) + 1)) AS places(place)"
    )
    values["page"] = mapping.page.id, "page"
    _cast(connection, source, features, bad, select, values, kinds)


def _said(column: str, value: str, reason: str) -> str:
    return (
        f"{{'name': {literal(column)}, 'value': CAST({value} AS VARCHAR), "
        f"'reason': {literal(reason)}}}"
    )


def _cast(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    features: tuple[PlannedFeature, ...],
    bad: BadRows,
    select: str,
    values: dict[str, tuple[str, str]],
    kinds: dict[str, str],
) -> None:
    """Makes the table from rows whose values are still the source's."""
    casted: dict[str, tuple[str, str, Cast]] = {}
    for key in ("page", "item"):
        column, value = values[key]
        cast = casts.identity(value, kinds[key], f"candidates.{key}")
        casted[key] = column, value, cast.also(f"{value} IS NULL", "has no value")
    for feature in features:
        if feature.key in values:
            column, value = values[feature.key]
            casted[feature.key] = column, value, feature.cast(value, kinds[feature.key])
        else:
            casted[feature.key] = "", "", Cast(f"NULL::{feature.held_type}")
    columns = ", ".join(f"{cast.sql} AS {quoted(key)}" for key, (_, _, cast) in casted.items())
    cases = "".join(complaints(*parts) for parts in casted.values())
    connection.execute(
        f"CREATE OR REPLACE TABLE {OFFERED} AS SELECT {ROW}, {FILE}, {columns}, CASE {cases} END "
        f"AS said FROM ({select})"
    )
    connection.execute(
        f"DELETE FROM {OFFERED} WHERE page IS NOT NULL AND page NOT IN (SELECT page FROM {SHOWN})"
    )
    found = bad.collect(
        source,
        f"SELECT {ROW}, {FILE}, page, said.name, said.value, said.reason FROM {OFFERED} "
        "WHERE said IS NOT NULL",
    )
    if found:
        connection.execute(f"DELETE FROM {OFFERED} WHERE said IS NOT NULL")
    connection.execute(f"ALTER TABLE {OFFERED} DROP COLUMN said")
    again = (
        f"SELECT max({ROW}), arg_max({FILE}, {ROW}), page, 'item', item, 'is a candidate twice' "
        f"FROM {OFFERED} GROUP BY page, item HAVING count(*) > 1"
    )
    bad.collect(source, again)
