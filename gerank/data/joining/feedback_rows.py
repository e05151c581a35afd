"""Rows of feedback find their slots: in DuckDB, so that neither need fit into memory."""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import numpy as np

from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback
from gerank.data.feedback_values import kind_of
from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.sources import Source, open_source
from gerank.data.importing.sql import FILE, ROW, first_row, no_such_column, quoted, table_columns
from gerank.data.joining.errors import JoinError
from gerank.data.joining.page_index import PAGES, SLOTS

MATCHED = "matched_feedback"
"""The table of feedback that has its slot. Columns: number and slot, once each; the kinds."""
CLICK = "click"

_REQUEST, _PAGE, _SLOT, _CANDIDATE = "request_id", "page_id", "slot", "candidate_id"
_KEYS = (_REQUEST, _PAGE, _SLOT, _CANDIDATE)
_KINDS = [FeedbackKind.FLAG, FeedbackKind.COUNT, FeedbackKind.AMOUNT]  # each holds those before


@dataclass(frozen=True)
class FeedbackCounts:
    """What became of the rows of feedback.

    Attributes:
        rows: How many there were.
        strange: How many belong to pages that are not among the exposures.
        doubled: How many tell again of a slot; the larger value counts.
        kinds: The feedback beyond clicks.
    """

    rows: int
    strange: int
    doubled: int
    kinds: tuple[FurtherFeedback, ...]


def match_feedback(
    connection: duckdb.DuckDBPyConnection, sources: list[str], wanted: list[str], bad: BadRows
) -> FeedbackCounts:
    """Makes the table of matched feedback.

    Args:
        connection: Has the tables of `page_index`.
        sources: Files, globs, folders or URLs.
        wanted: Names the columns that are feedback; empty = all that are no key.
        bad: Takes the rows that cannot be joined.

    Raises:
        ImportLogError: The files cannot be read, lack a column, or a row is bad and not skipped.
    """
    source = open_source(connection, "feedback", list(sources))
    kinds = _kinds_among(table_columns(connection, source.table), source.title, wanted)
    _make_told(connection, source, kinds)
    _check_values(bad, source, kinds)
    _find_pages(connection, source, bad)
    columns = ", ".join(f"max({quoted(kind)}) AS {quoted(kind)}" for kind in kinds)
    connection.execute(
        f"CREATE TABLE {MATCHED} AS SELECT number, slot, {columns} FROM placed_feedback "
        f"WHERE row NOT IN ({bad.rows(source)}) GROUP BY number, slot"
    )
    rows, strange, placed, matched = first_row(
        connection,
        "SELECT (SELECT count(*) FROM told_feedback), (SELECT count(*) FROM told_feedback "
        f"WHERE row NOT IN (SELECT row FROM paged_feedback) AND row NOT IN ({bad.rows(source)})), "
        f"(SELECT count(*) FROM placed_feedback WHERE row NOT IN ({bad.rows(source)})), "
        f"(SELECT count(*) FROM {MATCHED})",
    )
    further = tuple(
        FurtherFeedback(kind, _narrowest(connection, kind)) for kind in kinds if kind != CLICK
    )
    return FeedbackCounts(int(rows), int(strange), int(placed - matched), further)


def _kinds_among(columns: list[str], title: str, wanted: list[str]) -> list[str]:
    if _REQUEST not in columns:
        raise JoinError(f"{title}: {no_such_column(_REQUEST, _REQUEST, columns)}")
    if _SLOT not in columns and _CANDIDATE not in columns:
        raise JoinError(
            f"{title}: a column {_SLOT!r} or {_CANDIDATE!r} must tell what the feedback is of; "
            f"columns: {', '.join(columns)}"
        )
    for kind in wanted:
        if kind not in columns or kind in _KEYS:
            raise JoinError(f"{title}: {no_such_column('kind', kind, columns)}")
    kinds = list(dict.fromkeys(wanted)) or [name for name in columns if name not in _KEYS]
    if CLICK not in kinds:
        raise JoinError(f"{title}: no column {CLICK!r}: training learns from clicks")
    return kinds


def _make_told(connection: duckdb.DuckDBPyConnection, source: Source, kinds: list[str]) -> None:
    """The rows as texts and numbers; NULL where a number is none."""
    columns = table_columns(connection, source.table)
    keys = [
        f"{f'CAST({quoted(name)} AS VARCHAR)' if name in columns else 'NULL::VARCHAR'} AS {name}"
        for name in _KEYS
    ]
    numbers = [
        f"coalesce(TRY_CAST({quoted(kind)} AS FLOAT), CAST(TRY_CAST({quoted(kind)} AS BOOLEAN) "
        f"AS FLOAT)) AS {quoted(kind)}, CAST({quoted(kind)} AS VARCHAR) AS {quoted(_text(kind))}"
        for kind in kinds
    ]
    place = f"TRY_CAST({_SLOT} AS DOUBLE)" if _SLOT in columns else "NULL::DOUBLE"
    connection.execute(
        f"CREATE TABLE told_feedback AS SELECT {ROW} AS row, {FILE} AS file, {place} AS place, "
        f"{', '.join(keys)}, {', '.join(numbers)} FROM {quoted(source.table)}"
    )


def _text(kind: str) -> str:
    return f"{kind} as told"


def _check_values(bad: BadRows, source: Source, kinds: list[str]) -> None:
    """What is wrong with a row whatever its page."""
    _complain(bad, source, _REQUEST, f"{_REQUEST} IS NULL", "is missing")
    nowhere = f"{_SLOT} IS NULL AND {_CANDIDATE} IS NULL"
    _complain(bad, source, _SLOT, nowhere, f"is missing, and {_CANDIDATE} is too")
    wrong = f"{_SLOT} IS NOT NULL AND (place IS NULL OR place <> floor(place) OR place < 0)"
    _complain(bad, source, _SLOT, wrong, "is not an integer >= 0")
    for kind in kinds:
        number, told = quoted(kind), quoted(_text(kind))
        wrong = f"{told} IS NOT NULL AND ({number} IS NULL OR NOT isfinite({number}))"
        _complain(bad, source, kind, wrong, "is not a finite number", told)
    outside = f"isfinite({quoted(CLICK)}) AND {quoted(CLICK)} NOT IN (0, 1)"
    _complain(bad, source, CLICK, outside, "is neither 0 nor 1", quoted(_text(CLICK)))


def _complain(
    bad: BadRows, source: Source, column: str, wrong: str, reason: str, shown: str = ""
) -> None:
    """Collects the rows of which the condition holds; their page is left out where it is known."""
    bad.collect(
        source,
        f"SELECT row, file, page_id, '{column}', {shown or column}, '{reason}' FROM "
        f"(SELECT told.* EXCLUDE (page_id), pages.page_id FROM told_feedback AS told "
        f"LEFT JOIN {PAGES} AS pages ON {_SAME_PAGE}) WHERE {wrong}",
    )


_SAME_PAGE = (
    f"told.{_REQUEST} = pages.request AND "
    f"(told.{_PAGE} = pages.page OR (told.{_PAGE} IS NULL AND pages.of_request = 1))"
)


def _find_pages(connection: duckdb.DuckDBPyConnection, source: Source, bad: BadRows) -> None:
    """Pages and slots of the rows that are right so far."""
    right = f"row NOT IN ({bad.rows(source)})"
    connection.execute(
        f"CREATE TABLE paged_feedback AS SELECT told.* EXCLUDE (page_id), pages.number, "
        f"pages.page_id FROM told_feedback AS told JOIN {PAGES} AS pages ON {_SAME_PAGE} "
        f"WHERE {right}"
    )
    bad.collect(
        source,
        f"SELECT row, file, NULL, '{_PAGE}', NULL, 'is missing, and the request has several pages' "
        f"FROM told_feedback WHERE {_PAGE} IS NULL AND {right} AND {_REQUEST} IN "
        f"(SELECT request FROM {PAGES} WHERE of_request > 1)",
    )
    connection.execute(
        "CREATE TABLE placed_feedback AS SELECT told.* EXCLUDE (slot), slots.slot "
        f"FROM paged_feedback AS told JOIN {SLOTS} AS slots ON told.number = slots.number "
        "AND (told.place IS NULL OR told.place = slots.slot) "
        f"AND (told.{_CANDIDATE} IS NULL OR told.{_CANDIDATE} = slots.candidate)"
    )
    bad.collect(
        source,
        f"SELECT row, file, page_id, CASE WHEN {_CANDIDATE} IS NULL THEN '{_SLOT}' "
        f"ELSE '{_CANDIDATE}' END, coalesce({_CANDIDATE}, {_SLOT}), "
        f"CASE WHEN {_CANDIDATE} IS NULL THEN 'is not a slot of the page' "
        "ELSE 'was not shown there' END "
        "FROM paged_feedback WHERE row NOT IN (SELECT row FROM placed_feedback)",
    )


def _narrowest(connection: duckdb.DuckDBPyConnection, kind: str) -> FeedbackKind:
    """The narrowest kind of feedback that none of the values contradicts."""
    found = connection.sql(
        f"SELECT {quoted(kind)} AS value FROM {MATCHED} WHERE {quoted(kind)} IS NOT NULL"
    )
    places = [0]
    for batch in found.to_arrow_reader(1_000_000):
        values = batch.column(0).to_numpy(zero_copy_only=False).astype(np.float32)
        places.append(_KINDS.index(kind_of(values)))
    return _KINDS[max(places)]
