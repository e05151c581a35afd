"""The table of shown items: cast, checked and mended, a row per page and item."""

from __future__ import annotations

import duckdb

from gerank.data.feedback_kind import FeedbackKind
from gerank.data.importing import casts
from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.casts import Cast
from gerank.data.importing.choices import Order, SlotsOf
from gerank.data.importing.features import PlannedFeature
from gerank.data.importing.layouts import own_features
from gerank.data.importing.mapping import CLICK, FeedbackColumn, Mapping
from gerank.data.importing.raw_columns import PLACE, LongRows, Value
from gerank.data.importing.sources import Source
from gerank.data.importing.sql import FILE, ROW, literal, quoted
from gerank.data.log_columns import FEEDBACK_PREFIX, LOG_PROPENSITY, PLACEMENT_PROPENSITY

SHOWN = "shown"
"""The table's name. Columns: page, person, time, item, slot, the feedback and propensities under
their names in the log, `user.` and `candidate.` features, the row and its file."""

_NEEDED = "has no value"


def make_shown(
    connection: duckdb.DuckDBPyConnection,
    source: Source,
    mapping: Mapping,
    features: tuple[PlannedFeature, ...],
    rows: LongRows,
    bad: BadRows,
) -> None:
    """Casts every value, and takes what cannot be cast for a bad row.

    Raises:
        ImportLogError: A column's type does not fit; or a value does not and bad rows are not
            skipped.
    """
    named = {
        **_page_casts(mapping, rows.values),
        **_slot_casts(mapping, rows.values),
        **_feedback_casts(mapping, rows.values),
    }
    for feature in own_features(mapping, features):
        value = rows.values[feature.key]
        named[feature.key] = value.column, value.sql, feature.cast(value.sql, value.kind)
    columns = ", ".join(f"{cast.sql} AS {quoted(name)}" for name, (_, _, cast) in named.items())
    cases = "".join(complaints(*parts) for parts in named.values())
    said = f"CASE {cases} END" if cases else "NULL"
    connection.execute(
        f"CREATE OR REPLACE TABLE {SHOWN} AS SELECT {ROW}, {FILE}, {PLACE}, {columns}, "
        f"{said} AS said FROM ({rows.select})"
    )
    found = bad.collect(
        source,
        f"SELECT {ROW}, {FILE}, page, said.name, said.value, said.reason FROM {SHOWN} "
        "WHERE said IS NOT NULL",
    )
    if found:
        leave_out(connection, bad)
        connection.execute(f"DELETE FROM {SHOWN} WHERE said IS NOT NULL")


def leave_out(connection: duckdb.DuckDBPyConnection, bad: BadRows) -> None:
    """Removes the pages of all bad rows: without them they would have holes."""
    connection.execute(f"DELETE FROM {SHOWN} WHERE page IN ({bad.pages()})")


def complaints(column: str, value: str, cast: Cast) -> str:
    """The branches of a CASE that say why a value cannot be cast.

    Args:
        column: As the source names it.
        value: SQL of the value in the source.
        cast: With its checks.
    """
    return "".join(
        f"WHEN {condition} THEN {{'name': {literal(column)}, 'value': CAST({value} AS VARCHAR), "
        f"'reason': {literal(reason)}}} "
        for condition, reason in cast.checks
    )


_Parts = tuple[str, str, Cast]


def _page_casts(mapping: Mapping, values: dict[str, Value]) -> dict[str, _Parts]:
    page, item = values["page.id"], values["shown.item"]
    casted: dict[str, _Parts] = {
        "page": (
            page.column,
            page.sql,
            _needed(page, casts.identity(page.sql, page.kind, "page.id")),
        ),
        "item": (
            item.column,
            item.sql,
            _needed(item, casts.identity(item.sql, item.kind, "shown.item")),
        ),
    }
    if "page.person" in values:
        person = values["page.person"]
        cast = _needed(person, casts.identity(person.sql, person.kind, "page.person"))
        casted["person"] = person.column, person.sql, cast
    else:
        casted["person"] = "", "", Cast(casted["page"][2].sql)
    if "page.time" in values:
        time = values["page.time"]
        cast = casts.moment(time.sql, time.kind, "page.time", mapping.page.time_unit)
        casted["time"] = time.column, time.sql, _needed(time, cast)
    else:
        casted["time"] = "", "", Cast("NULL::BIGINT")
    return casted | _feed_casts(values, casted["time"])


def _feed_casts(values: dict[str, Value], time: _Parts) -> dict[str, _Parts]:
    """The page's feed, NULL where it stands alone, and its place there; nothing without feeds."""
    if "page.feed" not in values:
        return {}
    feed = values["page.feed"]
    casted = {"feed": (feed.column, feed.sql, casts.identity(feed.sql, feed.kind, "page.feed"))}
    if "page.feed_order" not in values:
        return casted | {"feed_order": ("", "", Cast(time[2].sql))}
    order = values["page.feed_order"]
    cast = casts.integer(order.sql, order.kind, "page.feed_order")
    lacking = f"({casted['feed'][2].sql}) IS NOT NULL AND ({order.sql}) IS NULL"
    return casted | {"feed_order": (order.column, order.sql, cast.also(lacking, _NEEDED))}


def _slot_casts(mapping: Mapping, values: dict[str, Value]) -> dict[str, _Parts]:
    shown, casted = mapping.shown, dict[str, _Parts]()
    if "shown.slot" in values:
        slot = values["shown.slot"]
        cast = _needed(slot, casts.integer(slot.sql, slot.kind, "shown.slot"))
        below = f"({cast.sql}) < {shown.first_slot}"
        above = f"is above the topmost slot, {shown.first_slot} (shown.first_slot)"
        casted["slot"] = slot.column, slot.sql, cast.also(below, above)
    elif shown.order is Order.SHUFFLED:
        page, item = values["page.id"].sql, values["shown.item"].sql
        drawn = f"md5_number_lower(concat_ws('/', {shown.seed}, {page}, {item}))"
        casted["slot"] = "", "", Cast(f"CAST({drawn} // 2 AS BIGINT)")
    else:
        casted["slot"] = "", "", Cast(f"CAST({ROW} + {PLACE} AS BIGINT)")
    choice = _propensity(values, "shown.choice_propensity")
    logarithm = Cast(f"CAST(ln({choice[2].sql}) AS FLOAT)", choice[2].checks)
    casted[LOG_PROPENSITY] = choice[0], choice[1], logarithm
    casted[PLACEMENT_PROPENSITY] = _propensity(values, "shown.placement_propensity")
    return casted


def _propensity(values: dict[str, Value], key: str) -> _Parts:
    if key not in values:
        return "", "", Cast("NULL::FLOAT")
    value = values[key]
    return value.column, value.sql, casts.probability(value.sql, value.kind, key)


def _feedback_casts(mapping: Mapping, values: dict[str, Value]) -> dict[str, _Parts]:
    casted = {}
    click = feedback_cast(mapping.feedback[CLICK], values[f"feedback.{CLICK}"])
    for name, column in mapping.feedback.items():
        value = values[f"feedback.{name}"]
        cast = feedback_cast(column, value)
        if column.slots is SlotsOf.CLICKED:
            cast = Cast(f"CASE WHEN ({click.sql}) > 0 THEN {cast.sql} END", cast.checks)
        if name == CLICK:
            cast = cast.also(f"({cast.sql}) IS NULL", f"{_NEEDED}; give feedback.click a default")
        casted[f"{FEEDBACK_PREFIX}{name}"] = value.column, value.sql, cast
    return casted


def feedback_cast(column: FeedbackColumn, value: Value) -> Cast:
    """A value of feedback as a float32; what is unknown is NULL."""
    key = f"feedback ({value.column})"
    if column.at_least is not None:
        grade = casts.number(value.sql, value.kind, key)
        cast = Cast(f"CAST(({grade.sql}) >= {column.at_least!r} AS FLOAT)", grade.checks)
    elif column.kind is FeedbackKind.FLAG:
        known = casts.flag(value.sql, value.kind, key)
        cast = Cast(f"CAST(({known.sql}) AS FLOAT)", known.checks)
    elif column.kind is FeedbackKind.COUNT:
        count = casts.integer(value.sql, value.kind, key)
        cast = Cast(f"CAST(({count.sql}) AS FLOAT)", count.checks)
        cast = cast.also(f"({count.sql}) < 0", "is not a count")
    else:
        cast = casts.number(value.sql, value.kind, key)
    if column.default is None:
        return cast
    return Cast(f"coalesce({cast.sql}, CAST({column.default!r} AS FLOAT))", cast.checks)


def _needed(value: Value, cast: Cast) -> Cast:
    return Cast(cast.sql, ((f"{value.sql} IS NULL", _NEEDED), *cast.checks))
