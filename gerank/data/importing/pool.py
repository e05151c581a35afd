"""The final tables: pages in the order of time, and their candidates with all features."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import duckdb

from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.features import PlannedFeature
from gerank.data.importing.joined import LOOKED_UP
from gerank.data.importing.mapping import Mapping
from gerank.data.importing.offered import OFFERED
from gerank.data.importing.shown import SHOWN
from gerank.data.importing.sources import Source
from gerank.data.importing.sql import FILE, ROW, first_row, literal, quoted
from gerank.data.log_columns import FEEDBACK_PREFIX, LOG_PROPENSITY, PLACEMENT_PROPENSITY

PAGES, POOL = "pages", "pool"
"""Tables of pages (number, page, person, time, features; with feeds also feed and feed_order) and
of candidates (number, item, slot, feedback, propensities, features), as they are written."""

TIME = "page_time"
"""Column of the page's time while the final tables are made."""


def make_pages(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    mapping: Mapping,
    features: tuple[PlannedFeature, ...],
    bad: BadRows,
) -> dict[str, int]:
    """Makes the table of pages, numbered from 0 in the order of time.

    Returns:
        Feature -> on how many pages it was missing.

    Raises:
        ImportLogError: A feature without a default is missing and bad rows are not skipped.
    """
    own = [f for f in features if f.side == "user"]
    held = ", ".join(f"max({quoted(f.key)}) AS {quoted(f.key)}" for f in own if not f.column.table)
    time = "min(time)" if mapping.page.time else f"min({ROW})"
    feeds = ", feed, feed_order" if mapping.page.feed else ""
    place = "min(feed) AS feed, min(feed_order) AS feed_order, " if feeds else ""
    grouped = (
        f"SELECT page, min(person) AS person, {time} AS {TIME}, {place}min({ROW}) AS {ROW}, "
        f"arg_min({FILE}, {ROW}) AS {FILE}{', ' if held else ''}{held} FROM {SHOWN} GROUP BY page"
    )
    looked_up, joins = "", ""
    if mapping.users is not None:
        columns = [f"looked.{quoted(f.key)}" for f in own if f.column.table]
        looked_up = "".join(f", {column}" for column in columns)
        joins = f" LEFT JOIN {LOOKED_UP['users']} AS looked ON looked.key = person"
    connection.execute(
        f"CREATE OR REPLACE TABLE {PAGES}_found AS SELECT grouped.*{looked_up} "
        f"FROM ({grouped}) AS grouped{joins}"
    )
    missing = _check_missing(connection, source, f"{PAGES}_found", own, bad, "person")
    chosen = "".join(f", {sql}" for sql in _with_defaults(own))
    connection.execute(
        f"CREATE OR REPLACE TABLE {PAGES} AS SELECT row_number() OVER (ORDER BY {TIME}, page) - 1 "
        f"AS number, page, person, {TIME} AS time{feeds}{chosen} FROM {PAGES}_found "
        f"WHERE page NOT IN ({bad.pages()}) ORDER BY number"
    )
    connection.execute(f"DROP TABLE {PAGES}_found")
    return missing


def make_pool(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    mapping: Mapping,
    features: tuple[PlannedFeature, ...],
    offered: bool,
    bad: BadRows,
) -> dict[str, int]:
    """Makes the table of candidates, sorted by page and item.

    Candidates are sorted by their name so that their order tells nothing of the page's.

    Returns:
        Feature -> of how many candidates it was missing.

    Raises:
        ImportLogError: A feature without a default is missing and bad rows are not skipped.
    """
    own = [f for f in features if f.side == "candidate"]
    joins = (
        f"{SHOWN} AS s FULL JOIN {OFFERED} AS o ON s.page = o.page AND s.item = o.item"
        if offered
        else f"{SHOWN} AS s"
    )
    either = _either if offered else _shown_only
    columns = [f"{either(name)} AS {quoted(name)}" for name in ("page", "item", ROW, FILE)]
    told = ["slot", LOG_PROPENSITY, PLACEMENT_PROPENSITY]
    told += [f"{FEEDBACK_PREFIX}{name}" for name in mapping.feedback]
    columns += [f"s.{quoted(name)}" for name in told]
    if mapping.items is not None:
        item = either("item")
        joins += f" LEFT JOIN {LOOKED_UP['items']} AS looked ON looked.key = {item}"
    shown = _columns_of(connection, SHOWN)
    for feature in own:
        columns.append(f"{_value(feature, offered, shown)} AS {quoted(feature.key)}")
    connection.execute(
        f"CREATE OR REPLACE TABLE {POOL}_found AS SELECT {', '.join(columns)} FROM {joins}"
    )
    missing = _check_missing(connection, source, f"{POOL}_found", own, bad, "item")
    if bad.skip:
        connection.execute(f"DELETE FROM {PAGES} WHERE page IN ({bad.pages()})")
    chosen = "".join(f", {sql}" for sql in (*map(quoted, told), *_with_defaults(own)))
    connection.execute(
        f"CREATE OR REPLACE TABLE {POOL} AS SELECT number, item{chosen} FROM {POOL}_found "
        f"JOIN (SELECT number, page, time AS {TIME} FROM {PAGES}) USING (page) "
        "ORDER BY number, item"
    )
    connection.execute(f"DROP TABLE {POOL}_found")
    return missing


def counted(
    connection: duckdb.DuckDBPyConnection,
    features: Iterable[PlannedFeature],
    number: Callable[[PlannedFeature], int],
) -> dict[str, int]:
    """Feature -> how often its number, or any of its list's, is that of `number`, if ever."""
    found: dict[str, int] = {}
    for feature in features:
        table = PAGES if feature.side == "user" else POOL
        where = f"{quoted(feature.key)} = {number(feature)}"
        (count,) = first_row(connection, f"SELECT count(*) FROM {table} WHERE {where}")
        if count:
            found[feature.source_key] = found.get(feature.source_key, 0) + int(count)
    return found


def _value(feature: PlannedFeature, offered: bool, shown: set[str]) -> str:
    name = quoted(feature.key)
    if feature.column.table:
        return f"looked.{name}"
    sides = [f"s.{name}"] if feature.key in shown else []
    sides += [f"o.{name}"] if offered else []
    return f"coalesce({', '.join(sides)})"


def _either(name: str) -> str:
    return f"coalesce(s.{quoted(name)}, o.{quoted(name)})"


def _shown_only(name: str) -> str:
    return f"s.{quoted(name)}"


def _columns_of(connection: duckdb.DuckDBPyConnection, table: str) -> set[str]:
    return set(connection.sql(f"SELECT * FROM {table} LIMIT 0").columns)


def _with_defaults(features: list[PlannedFeature]) -> list[str]:
    """The columns of features, and of the flags that tell their defaults from values."""
    columns = []
    for feature in features:
        name = quoted(feature.key)
        columns.append(f"{feature.final(TIME)} AS {name}")
        if feature.missing is not None:
            flag = quoted(f"{feature.side}.{feature.missing.name}")
            columns.append(f"CAST({name} IS NULL AS BIGINT) AS {flag}")
    return columns


def _check_missing(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    table: str,
    features: list[PlannedFeature],
    bad: BadRows,
    owner: str,
) -> dict[str, int]:
    """Counts missing values by feature, and takes those without a default for bad rows.

    A missing list or vector is counted once, under its own name.
    """
    if not features:
        return {}
    counts = ", ".join(f"count(*) - count({quoted(f.key)})" for f in features)
    found = first_row(connection, f"SELECT {counts} FROM {table}")
    lacking = {f.key: int(n) for f, n in zip(features, found, strict=True) if n}
    for feature in features:
        if feature.key in lacking and feature.default is None:
            column, table_name = feature.column.column, feature.column.table
            said = "has no value"
            if table_name:
                said = f"has no row in the table of {table_name}, or no value there"
            reason = f"{said}; give {feature.source_key} a default"
            bad.collect(
                source,
                f"SELECT {ROW}, {FILE}, page, {literal(column)}, {owner}, {literal(reason)} "
                f"FROM {table} WHERE {quoted(feature.key)} IS NULL",
            )
    firsts = [f for f in features if not f.part and not f.counts_cut]
    return {f.source_key: lacking[f.key] for f in firsts if f.key in lacking}
