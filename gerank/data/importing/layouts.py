"""Long and wide tables as one thing: a row per shown item, its values still the source's."""

from __future__ import annotations

import duckdb

from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.choices import Layout
from gerank.data.importing.features import PlannedFeature
from gerank.data.importing.mapping import Mapping
from gerank.data.importing.raw_columns import PLACE, LongRows, RawColumns, Value
from gerank.data.importing.sources import Source
from gerank.data.importing.sql import FILE, ROW, quoted
from gerank.data.importing.wide import wide_rows


def long_rows(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    mapping: Mapping,
    features: tuple[PlannedFeature, ...],
    bad: BadRows,
) -> LongRows:
    """The rows of a log in either layout.

    Args:
        connection: Where the source lives.
        source: The log.
        mapping: What its columns mean.
        features: Those that are looked up elsewhere are passed over.
        bad: Learns of pages whose lists do not fit each other.

    Raises:
        ImportLogError: A column is not there; a list does not fit and bad rows are not skipped.
    """
    raw = RawColumns(connection, source.table)
    columns = _columns(mapping, features)
    for key, column in columns.items():
        raw.add(column, key)
    if mapping.layout is Layout.WIDE:
        return wide_rows(source, mapping, features, bad, raw, columns)
    values = {k: Value(raw.aliases[c], raw.types[c], c) for k, c in columns.items()}
    select = f"SELECT {ROW}, {FILE}, 0 AS {PLACE}, {raw.select()} FROM {quoted(source.table)}"
    return LongRows(select, values)


def own_features(
    mapping: Mapping, features: tuple[PlannedFeature, ...]
) -> tuple[PlannedFeature, ...]:
    """The features that the rows of the log itself tell of shown items and their pages."""
    beside_candidates = mapping.layout is Layout.WIDE and bool(mapping.candidates.column)
    return tuple(
        f
        for f in features
        if not f.column.table
        and (f.side == "user" or not beside_candidates or f.column.column == mapping.shown.item)
    )


def _columns(mapping: Mapping, features: tuple[PlannedFeature, ...]) -> dict[str, str]:
    page, shown = mapping.page, mapping.shown
    columns = {
        "page.id": page.id,
        "page.person": page.person,
        "page.time": page.time,
        "page.feed": page.feed,
        "page.feed_order": page.feed_order,
        "shown.item": shown.item,
        "shown.slot": shown.slot,
        "shown.choice_propensity": shown.choice_propensity,
        "shown.placement_propensity": shown.placement_propensity,
    }
    columns |= {f"feedback.{name}": f.column or f.ids for name, f in mapping.feedback.items()}
    columns |= {f.key: f.column.column for f in own_features(mapping, features)}
    return {key: column for key, column in columns.items() if column}
