"""What a page of shown items must satisfy, whatever table it came from."""

from __future__ import annotations

from collections.abc import Iterable

import duckdb

from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.choices import Layout, OnConflict
from gerank.data.importing.features import PlannedFeature
from gerank.data.importing.mapping import Mapping
from gerank.data.importing.raw_columns import PLACE
from gerank.data.importing.shown import SHOWN, leave_out
from gerank.data.importing.sources import Source
from gerank.data.importing.sql import FILE, ROW, literal, quoted


def check_pages(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    mapping: Mapping,
    features: Iterable[PlannedFeature],
    bad: BadRows,
) -> int:
    """Mends or refuses pages, or leaves them out where bad rows are skipped.

    Returns:
        How many rows were dropped because their page shows the item further up already.

    Raises:
        ImportLogError: A page breaks a rule and bad rows are not skipped.
    """
    checks = [_one_value("person", mapping.page.person or "page.person")]
    checks += [
        _one_value(f.key, f.column.column)
        for f in features
        if f.side == "user" and not f.column.table
    ]
    if mapping.page.feed:
        checks.append(_one_value("feed", mapping.page.feed))
        checks.append(_one_value("feed_order", mapping.page.feed_order or mapping.page.time))
        checks.append(_one_place(mapping))
    dropped = 0
    named = mapping.layout is Layout.WIDE and bool(mapping.page.id)
    if named and bad.collect(source, _one_row(mapping.page.id)):
        leave_out(connection, bad)
    if mapping.shown.slot:
        checks.append(_repeated("slot", mapping.shown.slot, "is there twice"))
    if mapping.shown.repeated_items is OnConflict.MEND:
        dropped = _keep_topmost(connection)
    else:
        hint = 'is shown twice; shown.repeated_items = "mend" keeps the topmost'
        checks.append(_repeated("item", mapping.shown.item, hint))
    if mapping.shown.slot and mapping.shown.slot_gaps is OnConflict.REFUSE:
        checks.append(_gap(mapping))
    for select in checks:
        if bad.collect(source, select):
            leave_out(connection, bad)
    return dropped


def _one_row(column: str) -> str:
    return (
        f"SELECT max({ROW}), arg_max({FILE}, {ROW}), page, {literal(column)}, page, "
        f"'names a page that has a row already' FROM {SHOWN} GROUP BY page "
        f"HAVING count(DISTINCT ({FILE}, {ROW})) > 1"
    )


def _repeated(name: str, column: str, reason: str) -> str:
    column_sql, name = quoted(name), literal(column)
    return (
        f"SELECT max({ROW}), arg_max({FILE}, {ROW}), page, {name}, CAST({column_sql} AS VARCHAR), "
        f"{literal(reason)} FROM {SHOWN} GROUP BY page, {column_sql} HAVING count(*) > 1"
    )


def _gap(mapping: Mapping) -> str:
    top = mapping.shown.first_slot
    reason = literal(
        f"is the lowest slot of a page that lacks a slot above it (the topmost is {top}); "
        'shown.slot_gaps = "mend" moves the others up'
    )
    return (
        f"SELECT arg_max({ROW}, slot), arg_max({FILE}, slot), page, {literal(mapping.shown.slot)}, "
        f"CAST(max(slot) AS VARCHAR), {reason} FROM {SHOWN} GROUP BY page "
        f"HAVING max(slot) - {top} + 1 <> count(*)"
    )


def _one_value(name: str, column: str) -> str:
    value = quoted(name)
    return (
        f"SELECT arg_max({ROW}, {value}), arg_max({FILE}, {value}), page, {literal(column)}, "
        f"CAST(max({value}) AS VARCHAR), 'is not what another row of the page says: ' || "
        f"CAST(min({value}) AS VARCHAR) FROM {SHOWN} GROUP BY page "
        f"HAVING min({value}) <> max({value})"
    )


def _one_place(mapping: Mapping) -> str:
    """Two pages of a feed at one place: nobody knows which of them stands above the other."""
    column = mapping.page.feed_order or mapping.page.time
    reason = "is the place of two pages of a feed"
    if not mapping.page.feed_order:
        reason += "; give page.feed_order"
    pages = (
        f"SELECT page, min(person) AS person, min(feed) AS feed, min(feed_order) AS feed_order, "
        f"min({ROW}) AS {ROW}, arg_min({FILE}, {ROW}) AS {FILE} FROM {SHOWN} "
        "WHERE feed IS NOT NULL GROUP BY page"
    )
    return (
        f"SELECT max({ROW}), arg_max({FILE}, {ROW}), arg_max(page, {ROW}), {literal(column)}, "
        f"CAST(feed_order AS VARCHAR), {literal(reason)} FROM ({pages}) "
        "GROUP BY person, feed, feed_order HAVING count(*) > 1"
    )


def _keep_topmost(connection: duckdb.DuckDBPyConnection) -> int:
    again = (
        f"SELECT {ROW}, {PLACE} FROM (SELECT {ROW}, {PLACE}, row_number() OVER ("
        f"PARTITION BY page, item ORDER BY slot, {ROW}, {PLACE}) AS n FROM {SHOWN} WHERE "
        f"(page, item) IN (SELECT (page, item) FROM {SHOWN} GROUP BY page, item "
        "HAVING count(*) > 1)) WHERE n > 1"
    )
    found = connection.execute(
        f"DELETE FROM {SHOWN} WHERE ({ROW}, {PLACE}) IN ({again}) RETURNING 1"
    ).fetchall()
    return len(found)
