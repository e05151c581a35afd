"""The first look at the records: which pages there are, by number, in a table of DuckDB."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import duckdb
import pyarrow as pa

from gerank.data.joining.record_files import RecordFile, read_records
from gerank.data.joining.selection import RecordSelection
from gerank.data.joining.served_page import ServedPage, pages_of

PAGES = "served_pages"
"""The table of pages. Columns: number, in the order of reading; request; page, its name within the
request; version, of the model; preset, where it says whether the page was drawn; complaint;
of_request, how many pages the request has; page_id."""
SLOTS = "served_slots"
"""The table of what they showed. Columns: number, slot, candidate."""

_AT_ONCE = 20_000
_PAGE_TYPES = pa.schema(
    [("number", pa.int64())]
    + [(name, pa.string()) for name in ("request", "page", "version", "preset", "complaint")]
)
_SLOT_TYPES = pa.schema([("number", pa.int64()), ("slot", pa.int32()), ("candidate", pa.string())])


@dataclass
class RecordCounts:
    """What was found in the files.

    Attributes:
        left_out: Why pages are not joined -> how many.
        torn: Files that end within a record.
        newest: The model version that answered last.
        below_others: Pages to join whose requests told what stood above them.
    """

    left_out: Counter[str] = field(default_factory=Counter)
    torn: int = 0
    newest: str = ""
    below_others: int = 0


def selected_pages(
    files: list[RecordFile], selection: RecordSelection, counts: RecordCounts
) -> Iterator[ServedPage]:
    """The pages that are joined, always in the same order; what is not is counted.

    Raises:
        JoinError: A file holds something else than records.
        OSError: A file cannot be read.
    """
    for file in files:
        for record in read_records(file):
            if record is None:
                counts.torn += 1
                continue
            if refusal := selection.refusal(record):
                counts.left_out[refusal] += len(record.response.slates)
                continue
            yield from pages_of(record)


def index_pages(
    connection: duckdb.DuckDBPyConnection, files: list[RecordFile], selection: RecordSelection
) -> RecordCounts:
    """Makes the tables.

    Raises:
        JoinError, OSError: As for `selected_pages`.
    """
    counts, newest = RecordCounts(), -1
    _make(connection, "read_pages", _PAGE_TYPES)
    _make(connection, SLOTS, _SLOT_TYPES)
    pages: list[tuple[Any, ...]] = []
    slots: list[tuple[Any, ...]] = []
    for number, page in enumerate(selected_pages(files, selection, counts)):
        record = page.record
        if record.time_us >= newest:
            newest, counts.newest = record.time_us, record.model_version
        counts.below_others += page.is_below_others
        told = (page.name, record.model_version, page.deciding_preset, page.complaint())
        pages.append((number, record.request_id, *told))
        slots += [(number, slot, name) for slot, name in enumerate(page.shown_names)]
        if len(pages) == _AT_ONCE:
            _insert(connection, "read_pages", _PAGE_TYPES, pages)
            _insert(connection, SLOTS, _SLOT_TYPES, slots)
    _insert(connection, "read_pages", _PAGE_TYPES, pages)
    _insert(connection, SLOTS, _SLOT_TYPES, slots)
    connection.execute(
        f"CREATE TABLE {PAGES} AS SELECT *, "
        "CASE WHEN of_request = 1 THEN request ELSE request || '/' || page END AS page_id "
        "FROM (SELECT *, count(*) OVER (PARTITION BY request) AS of_request FROM read_pages)"
    )
    return counts


def _make(connection: duckdb.DuckDBPyConnection, table: str, types: pa.Schema) -> None:
    connection.register("empty_rows", types.empty_table())
    connection.execute(f"CREATE TABLE {table} AS SELECT * FROM empty_rows")
    connection.unregister("empty_rows")


def _insert(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    types: pa.Schema,
    rows: list[tuple[Any, ...]],
) -> None:
    """Moves the rows into the table."""
    arrays = [
        pa.array([row[place] for row in rows], field.type) for place, field in enumerate(types)
    ]
    connection.register("some_rows", pa.Table.from_arrays(arrays, schema=types))
    connection.execute(f"INSERT INTO {table} SELECT * FROM some_rows")
    connection.unregister("some_rows")
    rows.clear()
