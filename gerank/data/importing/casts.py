"""Casts of foreign values, in SQL: silent where nothing is lost, and told of where something is."""

from __future__ import annotations

import re
from typing import NamedTuple

from gerank.data.importing.choices import TimeUnit
from gerank.data.importing.errors import MappingError
from gerank.data.importing.sql import literal

_FLOAT32_MAX = "3.4028234663852886e38"
_INTEGER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?")
_REAL = re.compile(r"FLOAT|DOUBLE|DECIMAL\(.*\)")
_LATEST = 7_258_118_400_000_000
"""2200-01-01 in microseconds since 1970: a later number counts in another unit."""

_MOMENT = re.compile(r"DATE|TIMESTAMP.*")
_LIST = re.compile(r".*\[\d*\]")
_YES = "('true', 't', 'yes', 'y', '1', '1.0')"
_NO = "('false', 'f', 'no', 'n', '0', '0.0')"
_MICROSECONDS = {
    TimeUnit.SECONDS: "* 1000000",
    TimeUnit.MILLISECONDS: "* 1000",
    TimeUnit.MICROSECONDS: "* 1",
    TimeUnit.NANOSECONDS: "/ 1000",
    TimeUnit.ORDER: "* 1",
}


class Cast(NamedTuple):
    """A value of the source as a value of the log.

    Attributes:
        sql: The value; NULL where the source has none.
        checks: Conditions under which the cast would lose something, and what is then said after
            the value.
    """

    sql: str
    checks: tuple[tuple[str, str], ...] = ()

    def also(self, condition: str, reason: str) -> Cast:
        """The same cast with one more check."""
        return Cast(self.sql, (*self.checks, (condition, reason)))


def is_list(kind: str) -> bool:
    """Whether a DuckDB type is a list or an array."""
    return _LIST.fullmatch(kind) is not None


def is_text(kind: str) -> bool:
    """Whether a DuckDB type is a text or a category of texts."""
    return kind in ("VARCHAR", '"NULL"', "NULL", "UUID") or kind.startswith("ENUM")


def is_integer(kind: str) -> bool:
    """Whether a DuckDB type is an integer."""
    return _INTEGER.fullmatch(kind) is not None


def is_real(kind: str) -> bool:
    """Whether a DuckDB type is a number with a fraction."""
    return _REAL.fullmatch(kind) is not None


def is_moment(kind: str) -> bool:
    """Whether a DuckDB type is a date or a timestamp."""
    return _MOMENT.fullmatch(kind) is not None


def identity(value: str, kind: str, key: str) -> Cast:
    """A name of a page, a person or an item: a text."""
    if is_text(kind):
        text = f"CAST({value} AS VARCHAR)"
        return Cast(text, ((f"{text} = ''", "is an empty name"),))
    if is_real(kind):
        return Cast(f"CAST(CAST({value} AS HUGEINT) AS VARCHAR)", (_not_whole(value),))
    if is_integer(kind) or is_moment(kind) or kind == "BOOLEAN":
        return Cast(f"CAST({value} AS VARCHAR)")
    raise MappingError(f"{key}: a column of type {kind} names nothing")


def number(value: str, kind: str, key: str) -> Cast:
    """A float32; NaN is a missing value.

    An integer beyond 2^24 that float32 would change is refused; fractions are rounded to seven
    digits without a word.
    """
    if kind == "BOOLEAN":
        return Cast(f"CAST({value} AS FLOAT)")
    if is_integer(kind):
        return Cast(f"CAST({value} AS FLOAT)", (would_change(value),))
    if is_text(kind):
        text = f"trim(CAST({value} AS VARCHAR))"
        real = f"TRY_CAST({text} AS DOUBLE)"
        exact = f"TRY_CAST({text} AS HUGEINT)"
        whole = f"regexp_full_match({text}, '[-+]?[0-9]+') AND {exact} IS NOT NULL"
        changed, reason = would_change(exact)
        return (
            _real(real)
            .also(f"{value} IS NOT NULL AND {real} IS NULL", "is not a number")
            .also(f"{whole} AND {changed}", reason)
        )
    if is_real(kind):
        return _real(f"CAST({value} AS DOUBLE)")
    hint = (
        " (an expression such as =epoch(...) / 3600 makes hours of it)" if is_moment(kind) else ""
    )
    raise MappingError(f"{key}: a column of type {kind} is not a number{hint}")


def flag(value: str, kind: str, key: str) -> Cast:
    """0 or 1."""
    reason = "is neither yes nor no"
    if kind == "BOOLEAN":
        return Cast(f"CAST({value} AS BIGINT)")
    if is_integer(kind) or is_real(kind):
        return Cast(f"CAST({value} AS BIGINT)", ((f"{value} NOT IN (0, 1)", reason),))
    if is_text(kind):
        text = f"lower(trim(CAST({value} AS VARCHAR)))"
        known = f"CASE WHEN {text} IN {_YES} THEN 1 WHEN {text} IN {_NO} THEN 0 END"
        return Cast(known, ((f"{value} IS NOT NULL AND ({known}) IS NULL", reason),))
    raise MappingError(f"{key}: a column of type {kind} is neither yes nor no")


def integer(value: str, kind: str, key: str) -> Cast:
    """An int64."""
    whole = f"TRY_CAST({value} AS BIGINT)"
    beyond = (f"{value} IS NOT NULL AND {whole} IS NULL", "is not an integer of 64 bits")
    if is_integer(kind) or kind == "BOOLEAN":
        return Cast(whole, (beyond,))
    if is_real(kind):
        missing = f"CASE WHEN NOT isnan(CAST({value} AS DOUBLE)) THEN {value} END"
        return Cast(f"TRY_CAST({missing} AS BIGINT)", (_not_whole(value),))
    if is_text(kind):
        text = f"trim(CAST({value} AS VARCHAR))"
        digits = f"regexp_full_match({text}, '[-+]?[0-9]+')"
        whole = f"CASE WHEN {digits} THEN TRY_CAST({text} AS BIGINT) END"
        return Cast(whole, ((f"{value} IS NOT NULL AND ({whole}) IS NULL", beyond[1]),))
    raise MappingError(f"{key}: a column of type {kind} is not an integer")


def category(
    value: str, kind: str, key: str, values: tuple[str, ...], unknown: int | None = None
) -> Cast:
    """The place of a text among `values`; any other text is `unknown`, or is told of if None."""
    text = identity(value, kind, key).sql
    names = f"[{', '.join(map(literal, values))}]"
    code = f"list_position({names}, {text}) - 1"
    if unknown is not None:
        known = f"coalesce({code}, {unknown})"
        return Cast(f"CASE WHEN {value} IS NOT NULL THEN CAST({known} AS BIGINT) END")
    outside = f"{value} IS NOT NULL AND ({code}) IS NULL"
    return Cast(f"CAST({code} AS BIGINT)", ((outside, "is not one of the feature's values"),))


def moment(
    value: str, kind: str, key: str, unit: TimeUnit | None, setting: str = "page.time_unit"
) -> Cast:
    """Microseconds since 1970, UTC; a time without a zone is taken as UTC.

    `setting` is the key of the mapping that says what numbers count.
    """
    if is_moment(kind):
        zoned = kind == "TIMESTAMP WITH TIME ZONE"
        return Cast(f"epoch_us({value})" if zoned else f"epoch_us(CAST({value} AS TIMESTAMP))")
    if is_text(kind) and unit is None:
        text = f"CAST({value} AS VARCHAR)"
        parsed = f"TRY_CAST({text} AS TIMESTAMPTZ)"
        unknown = f"{value} IS NOT NULL AND {parsed} IS NULL"
        return Cast(f"epoch_us({parsed})", ((unknown, "is not a time"),))
    if unit is None:
        raise MappingError(f"{key}: a column of type {kind} needs {setting}")
    real = f"TRY_CAST({value} AS DOUBLE)"
    scaled = (
        f"TRY_CAST({value} AS HUGEINT) {_MICROSECONDS[unit].replace('/', '//')}"
        if is_integer(kind)
        else f"round({real} {_MICROSECONDS[unit]})"
    )
    whole = f"TRY_CAST({scaled} AS BIGINT)"
    cast = Cast(whole, ((f"{value} IS NOT NULL AND {whole} IS NULL", "is not a time"),))
    if unit is TimeUnit.ORDER:
        return cast
    late = f"is after the year 2200, counted in {unit}; see {setting}"
    return cast.also(f"{whole} > {_LATEST}", late)


def probability(value: str, kind: str, key: str) -> Cast:
    """A probability above 0; empty is unknown."""
    cast = number(value, kind, key)
    outside = f"({cast.sql}) <= 0 OR ({cast.sql}) > 1.00001"
    return cast.also(outside, "is not a probability above 0")


def _real(value: str) -> Cast:
    finite = f"CASE WHEN NOT isnan({value}) THEN TRY_CAST({value} AS FLOAT) END"
    beyond = f"isinf({value}) OR (NOT isnan({value}) AND abs({value}) > {_FLOAT32_MAX})"
    return Cast(finite, ((beyond, "is not a finite float32"),))


def would_change(value: str) -> tuple[str, str]:
    """Whether float32 would change an integer, in SQL, and what to say then."""
    back = f"CAST(CAST({value} AS FLOAT) AS HUGEINT)"
    reason = "would be rounded as a float32; is it an id? If not, scale it by an expression"
    return f"{back} <> {value}", reason


def _not_whole(value: str) -> tuple[str, str]:
    real = f"CAST({value} AS DOUBLE)"
    return (
        f"NOT isnan({real}) AND ({real} <> floor({real}) OR abs({real}) > 9007199254740992)",
        "is not an integer",
    )
