"""Casts of the values of features that are more than one number of the source: lists and times."""

from __future__ import annotations

from collections.abc import Callable

from gerank.data.importing import casts
from gerank.data.importing.casts import Cast
from gerank.data.importing.choices import TimeUnit
from gerank.data.importing.errors import MappingError
from gerank.data.importing.raw_columns import element_type, list_sql


def vector_number(
    value: str, kind: str, where: str, width: int, place: int, separator: str
) -> Cast:
    """One number of a list; the first one also checks that it is a list of `width` numbers.

    Args:
        value: SQL of the list.
        kind: Its DuckDB type.
        where: The feature, for messages.
        width: How many numbers a list has.
        place: Which of them, from 0.
        separator: What stands between the entries of a text; empty: it is written [1, 2].

    Raises:
        MappingError: The column cannot hold lists.
    """
    _require_list(kind, where, "numbers")
    numbers = f"TRY_CAST({list_sql(value, kind, separator)} AS DOUBLE[])"
    element = casts.number(f"({numbers})[{place + 1}]", "DOUBLE", where)
    if place:
        return element
    entries = list_sql(value, kind, separator)
    no_list = f"{_present(value, kind)} AND {numbers} IS NULL"
    no_number = f"len(list_filter({numbers}, lambda x: x IS NULL OR isnan(x))) > 0"
    cast = element.also(no_list, "is not a list of numbers").also(
        f"len({numbers}) <> {width}", f"is not of the width {width}"
    )
    cast = cast.also(no_number, "has an entry that is no number; a vector is there or missing")
    if casts.is_integer(element_type(kind)):
        changed, reason = casts.would_change("x")
        any_changed = f"len(list_filter({entries}, lambda x: {changed})) > 0"
        cast = cast.also(any_changed, f"has an entry that {reason}")
    return cast


def list_entry(
    value: str,
    kind: str,
    where: str,
    place: int,
    empty: int,
    separator: str,
    entry: Callable[[str, str], Cast],
) -> Cast:
    """One entry of a list of ids, or `empty` behind its end; NULL where there is no list.

    Args:
        value: SQL of the list; nulls in it are passed over.
        kind: Its DuckDB type.
        where: The feature, for messages.
        place: Which entry, from 0.
        empty: The mark of no entry.
        separator: What stands between the entries of a text; empty: it is written [a, b].
        entry: Casts an entry, given its SQL and its type.

    Raises:
        MappingError: The column cannot hold lists.
    """
    entries = _entries(value, kind, where, separator)
    cast = entry(f"({entries})[{place + 1}]", element_type(kind))
    checks = tuple((check, f"has an entry, the {place + 1}., that {w}") for check, w in cast.checks)
    found = f"CASE WHEN ({entries}) IS NOT NULL THEN coalesce({cast.sql}, {empty}) END"
    if place:
        return Cast(found, checks)
    no_list = f"{_present(value, kind)} AND ({entries}) IS NULL"
    return Cast(found, ((no_list, "is not a list"), *checks))


def is_cut(value: str, kind: str, where: str, longest: int, separator: str) -> Cast:
    """Whether a list has more entries than are kept: 0 or 1; NULL where there is no list."""
    entries = _entries(value, kind, where, separator)
    return Cast(f"CAST(len({entries}) > {longest} AS BIGINT)")


def moment(value: str, kind: str, where: str, unit: TimeUnit | None) -> Cast:
    """Microseconds since 1970, UTC."""
    return casts.moment(value, kind, where, unit, f"{where}.time_unit")


def hour_of_day(value: str, kind: str, where: str, unit: TimeUnit | None) -> Cast:
    """The hour of the day, 0 to 23, UTC."""
    cast = moment(value, kind, where, unit)
    return Cast(f"CAST(hour(make_timestamp({cast.sql})) AS BIGINT)", cast.checks)


def hours_before(page_time: str, moment_sql: str) -> str:
    """SQL of the hours from a moment to the page's time, both in microseconds.

    They are 0 where the moment lies ahead, and NULL where there is none.
    """
    hours = f"({page_time} - {moment_sql}) / 3600000000"
    return f"CASE WHEN {moment_sql} IS NOT NULL THEN greatest({hours}, 0) END"


def _entries(value: str, kind: str, where: str, separator: str) -> str:
    _require_list(kind, where, "ids")
    return f"list_filter({list_sql(value, kind, separator)}, lambda x: x IS NOT NULL)"


def _require_list(kind: str, where: str, of: str) -> None:
    if not casts.is_list(kind) and not casts.is_text(kind):
        raise MappingError(f"{where}: a column of type {kind} is not a list of {of}")


def _present(value: str, kind: str) -> str:
    """Whether there is something: an empty text is a list that is missing."""
    if casts.is_list(kind):
        return f"{value} IS NOT NULL"
    return f"trim(CAST({value} AS VARCHAR)) <> ''"
