"""Exposure folders and feedback files become an exposure log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import duckdb

from gerank.data.exposure_log import FILE_NAME, PARTS
from gerank.data.importing.bad_rows import FILE_NAME as LEFT_OUT
from gerank.data.importing.bad_rows import BadRows
from gerank.data.importing.database import database
from gerank.data.importing.sources import Source, read_error
from gerank.data.importing.sql import literal
from gerank.data.joining.contracts import ContractFolders, log_schema_of
from gerank.data.joining.errors import JoinError
from gerank.data.joining.feedback_rows import FeedbackCounts, match_feedback
from gerank.data.joining.page_index import PAGES, RecordCounts, index_pages, selected_pages
from gerank.data.joining.record_files import RecordFile, find_files
from gerank.data.joining.selection import RecordSelection
from gerank.data.joining.write import LogWriter, NumberedPage
from gerank.data.schema import FeatureSchema


@dataclass(frozen=True)
class Joined:
    """What was joined, and what was not.

    Attributes:
        pages: How many pages the log holds.
        drawn: Pages whose slate was drawn: they alone have propensities.
        slots: How many slots these pages have.
        clicks: How many clicks these slots got.
        below_others: Pages that stood below other slots, which the log then tells of all pages.
        records: What the files of records held beside these pages.
        feedback: What became of the rows of feedback.
        left_out: What was wrong -> how many pages or rows were left out.
    """

    pages: int
    drawn: int
    slots: int
    clicks: float
    below_others: int
    records: RecordCounts
    feedback: FeedbackCounts
    left_out: dict[str, int]


def join_exposures(
    exposures: list[Path],
    feedback: list[str],
    directory: Path,
    *,
    selection: RecordSelection | None = None,
    kinds: list[str] | None = None,
    person: str = "",
    skip_bad: bool = False,
    memory: str = "1GB",
) -> Joined:
    """Writes served pages with their feedback as an exposure log.

    Args:
        exposures: Folders of servers' exposure logs.
        feedback: Files, globs, folders or URLs of CSV, JSON lines or Parquet, with columns
            `request_id`, `page_id` (may be left out where a request has one page), `slot` or
            `candidate_id`, and one per kind of feedback, `click` among them.
        directory: Folder of the log, which must hold none. Beside it, `left_out.jsonl` lists what
            is bad if anything is and it is skipped.
        selection: Which records are joined; None = all.
        kinds: The columns that are feedback; None = all that are no key.
        person: The user feature that tells whose a page is; empty: each request is of a person of
            its own.
        skip_bad: Whether pages and rows that cannot be joined are left out.
        memory: What DuckDB takes at most, as in 2GB.

    Raises:
        ImportLogError: Something cannot be joined, or nothing is left.
        OSError: A folder cannot be read or written.
    """
    if (directory / FILE_NAME).exists() or any(directory.glob(PARTS)):
        raise JoinError(f"{directory}: holds a log; join into a new folder")
    job = _Join(find_files(exposures), exposures, selection or RecordSelection())
    with database(memory) as connection:
        try:
            return job.run(connection, feedback, directory, kinds or [], person, skip_bad=skip_bad)
        except duckdb.Error as error:
            raise read_error(", ".join(feedback), error) from None


class _Join:
    """One join, step by step."""

    def __init__(
        self, files: list[RecordFile], folders: list[Path], selection: RecordSelection
    ) -> None:
        self._files, self._selection = files, selection
        self._title = ", ".join(map(str, folders))
        self._contracts = ContractFolders(folders)

    def run(
        self,
        connection: duckdb.DuckDBPyConnection,
        feedback: list[str],
        directory: Path,
        kinds: list[str],
        person: str,
        *,
        skip_bad: bool,
    ) -> Joined:
        records = index_pages(connection, self._files, self._selection)
        if not records.newest:
            raise JoinError(f"{self._title}: no page to join{_told(records.left_out)}")
        schema = self._schema(records.newest, person)
        bad = BadRows(connection, skip_bad)
        self._check_pages(connection, bad, records.newest)
        rows = match_feedback(connection, feedback, kinds, bad)
        writer = LogWriter(
            connection,
            replace(schema, feedback=rows.kinds),
            self._contracts,
            person,
            tells_above=records.below_others > 0,
        )
        kept = self._kept(connection, bad)
        first = next(kept, None)
        if first is None:
            raise JoinError(f"{self._title}: no page is left{_told(Counter(bad.reasons()))}")
        writer.write(directory / FILE_NAME, _chained(first, kept))
        if bad.count():
            bad.write(directory)
        else:
            (directory / LEFT_OUT).unlink(missing_ok=True)
        return Joined(
            writer.pages,
            writer.drawn,
            writer.slots,
            writer.clicks,
            writer.below_others,
            records,
            rows,
            bad.reasons(),
        )

    def _schema(self, newest: str, person: str) -> FeatureSchema:
        schema = log_schema_of(self._contracts.of_version(newest))
        names = [feature.name for feature in schema.user]
        if person and person not in names:
            raise JoinError(f"person: {person!r} is no user feature; these are {', '.join(names)}")
        return schema

    def _check_pages(
        self, connection: duckdb.DuckDBPyConnection, bad: BadRows, newest: str
    ) -> None:
        """Pages that no log can hold, or not this one."""
        source = Source(PAGES, (self._title,))
        found = connection.execute(f"SELECT DISTINCT version FROM {PAGES} ORDER BY ALL").fetchall()
        for version, reason in self._contracts.refusals(newest, [row[0] for row in found]).items():
            whose = f"version = {literal(version)}"
            bad.collect(source, _complaint(literal(reason), whose))
        asked = connection.execute(
            f"SELECT DISTINCT version, preset FROM {PAGES} WHERE preset <> '' ORDER BY ALL"
        ).fetchall()
        for (version, preset), reason in self._contracts.unknown_presets(asked).items():
            whose = f"version = {literal(version)} AND preset = {literal(preset)}"
            bad.collect(source, _complaint(literal(reason), whose))
        bad.collect(source, _complaint("complaint", "complaint <> ''"))
        repeated = f"page_id IN (SELECT page_id FROM {PAGES} GROUP BY page_id HAVING count(*) > 1)"
        bad.collect(source, _complaint("'was answered more than once'", repeated))

    def _kept(self, connection: duckdb.DuckDBPyConnection, bad: BadRows) -> Iterator[NumberedPage]:
        """The pages that are not left out, read again."""
        pages = selected_pages(self._files, self._selection, RecordCounts())
        ids = connection.cursor().execute(
            f"SELECT page_id, page_id IN ({bad.pages()}) FROM {PAGES} ORDER BY number"
        )
        for number, page in enumerate(pages):
            page_id, is_bad = ids.fetchone() or ("", True)
            if is_bad:
                continue
            yield number, page_id, page


def _complaint(reason: str, wrong: str) -> str:
    return (
        f"SELECT NULL, NULL, page_id, NULL, NULL, {reason} FROM {PAGES} WHERE {wrong} "
        "ORDER BY number"
    )


def _chained(first: NumberedPage, others: Iterator[NumberedPage]) -> Iterator[NumberedPage]:
    yield first
    yield from others


def _told(reasons: Counter[str]) -> str:
    """What was left out, most often first; empty where nothing was."""
    told = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
    return f" ({told})" if told else ""
