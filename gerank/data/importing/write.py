"""The final tables as an exposure log's Parquet file, in chunks of whole pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.exposure_parquet import log_schema, log_writer
from gerank.data.importing.above import ABOVE
from gerank.data.importing.pool import PAGES, POOL
from gerank.data.importing.sql import first_row
from gerank.data.log_columns import (
    ABOVE_PREFIX,
    CANDIDATE_ID,
    CANDIDATE_PREFIX,
    FEEDBACK_PREFIX,
    OPTIONAL,
    PAGE_ID,
    PAGES_PER_ROW_GROUP,
    PERSON_ID,
    SLATE,
    TIMESTAMP,
    column_types,
)
from gerank.data.schema import FeatureSchema
from gerank.data.whole_file import whole_file

_CANDIDATES_AT_ONCE = 1_000_000


def write_log(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    schema: FeatureSchema,
    facts: Mapping[str, Any],
    *,
    feeds: bool,
) -> None:
    """Writes the file, all or nothing.

    Args:
        connection: Where the final tables live.
        path: The file.
        schema: The features.
        facts: For the metadata.
        feeds: Whether pages follow each other, and there is a table of what stands above.

    Raises:
        OSError: The file cannot be written.
    """
    types = column_types(schema)
    if not feeds:
        types = {name: t for name, t in types.items() if not name.startswith(ABOVE_PREFIX)}
    arrow = log_schema(schema, types, facts)
    with (
        whole_file(path) as unfinished,
        unfinished.open("wb") as file,
        log_writer(file, arrow) as writer,
    ):
        for first, after in _chunks(connection):
            writer.write_table(_chunk(connection, arrow, first, after))


def _chunks(connection: duckdb.DuckDBPyConnection) -> Iterator[tuple[int, int]]:
    """Ranges of page numbers; pages that were left out leave gaps in them."""
    last, pages, candidates = first_row(
        connection,
        f"SELECT (SELECT max(number) FROM {PAGES}), (SELECT count(*) FROM {PAGES}), "
        f"(SELECT count(*) FROM {POOL})",
    )
    size = max(1, min(PAGES_PER_ROW_GROUP, _CANDIDATES_AT_ONCE * pages // max(1, candidates)))
    for first in range(0, last + 1, size):
        yield first, first + size


def _chunk(
    connection: duckdb.DuckDBPyConnection, schema: pa.Schema, first: int, after: int
) -> pa.Table:
    within = f"WHERE number >= {first} AND number < {after}"
    pages = connection.sql(f"SELECT * FROM {PAGES} {within} ORDER BY number").to_arrow_table()
    pool = connection.sql(f"SELECT * FROM {POOL} {within} ORDER BY number, item").to_arrow_table()
    page = np.searchsorted(pages["number"].to_numpy(), pool["number"].to_numpy())
    offsets = np.concatenate([[0], np.cumsum(np.bincount(page, minlength=pages.num_rows))])
    slot = pool["slot"].to_numpy()  # float64 with NaN where a candidate was not shown
    shown = np.flatnonzero(~np.isnan(slot)) if slot.dtype.kind == "f" else np.arange(len(slot))
    slots = pool["slot"].take(pa.array(shown)).to_numpy()  # whole numbers, as there is no null
    order = shown[np.lexsort((slots, page[shown]))]
    slots_of_page = np.bincount(page[order], minlength=pages.num_rows)
    slate_offsets = np.concatenate([[0], np.cumsum(slots_of_page)])
    local = np.arange(len(page)) - offsets[page]
    above: dict[str, pa.Array] = {}
    if any(name.startswith(ABOVE_PREFIX) for name in schema.names):
        above = _above(connection, schema, within, pages["number"].to_numpy())
    renamed = {PAGE_ID: "page", PERSON_ID: "person", TIMESTAMP: "time"}
    arrays = []
    for field in schema:
        if not pa.types.is_list(field.type):
            values = pages[renamed.get(field.name, field.name)].combine_chunks()
            arrays.append(values.cast(field.type))
        elif field.name in above:
            arrays.append(above[field.name])
        elif field.name == SLATE:
            arrays.append(_lists(pa.array(local[order]), slate_offsets, field.type))
        elif field.name.startswith(FEEDBACK_PREFIX) or field.name in OPTIONAL:
            values = pool[field.name].take(pa.array(order)).combine_chunks()
            arrays.append(_lists(values.fill_null(np.nan), slate_offsets, field.type))
        else:
            assert field.name.startswith(CANDIDATE_PREFIX)
            name = "item" if field.name == CANDIDATE_ID else field.name
            arrays.append(_lists(pool[name].combine_chunks(), offsets, field.type))
    return pa.Table.from_arrays(arrays, schema=schema)


def _above(
    connection: duckdb.DuckDBPyConnection,
    schema: pa.Schema,
    within: str,
    numbers: NDArray[np.int64],
) -> dict[str, pa.Array]:
    """The columns of the slots above the pages of some `numbers`, by name."""
    query = f"SELECT * FROM {ABOVE} {within} ORDER BY number, place"
    table = connection.sql(query).to_arrow_table()
    page = np.searchsorted(numbers, table["number"].to_numpy())
    offsets = np.concatenate([[0], np.cumsum(np.bincount(page, minlength=len(numbers)))])
    return {
        field.name: _lists(table[field.name].combine_chunks(), offsets, field.type)
        for field in schema
        if field.name.startswith(ABOVE_PREFIX)
    }


def _lists(values: pa.Array, offsets: NDArray[np.int64], kind: pa.DataType) -> pa.Array:
    return pa.ListArray.from_arrays(
        pa.array(offsets, type=pa.int32()), values.cast(kind.value_type), type=kind
    )
