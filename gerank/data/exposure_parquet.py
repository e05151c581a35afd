"""Columns of an exposure log become one Parquet file: types, metadata, atomic writing."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gerank.data.log_columns import (
    FORMAT_VERSION,
    METADATA_KEY,
    PAGES_PER_ROW_GROUP,
    column_types,
)
from gerank.data.mapped_texts import MappedTexts
from gerank.data.schema import FeatureSchema
from gerank.data.whole_file import whole_file

_WRITING = {"compression": "zstd", "write_page_checksum": True}


class Column(NamedTuple):
    """One column, flat.

    Attributes:
        values: [E], or the lists of all pages one after the other.
        offsets: [E + 1] int64. Where each page's list begins; None: one value per page.
    """

    values: NDArray[Any] | MappedTexts
    offsets: NDArray[np.int64] | None = None


def write_columns(path: Path, schema: FeatureSchema, columns: Mapping[str, Column]) -> None:
    """Writes the file; a reader sees the old one or the new one, never a part.

    Raises:
        OSError: The folder cannot be written; the file at `path` is as it was.
    """
    types = {name: kind for name, kind in column_types(schema).items() if name in columns}
    arrow_schema = log_schema(schema, types, {})
    arrays = [_to_arrow(columns[name], kind) for name, kind in types.items()]
    table = pa.Table.from_arrays(arrays, schema=arrow_schema)
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        pq.write_table(table, file, row_group_size=PAGES_PER_ROW_GROUP, **_WRITING)


def log_schema(
    schema: FeatureSchema, types: Mapping[str, pa.DataType], facts: Mapping[str, Any]
) -> pa.Schema:
    """The schema of a log's file.

    Args:
        schema: The features.
        types: Name the type of every column.
        facts: Further entries of the metadata, which readers that do not know them pass over.
    """
    document = {"format_version": FORMAT_VERSION, "schema": schema.to_json(), **facts}
    return pa.schema(list(types.items()), metadata={METADATA_KEY: json.dumps(document)})


def log_writer(file: BinaryIO, schema: pa.Schema) -> pq.ParquetWriter:
    """A writer of a log's open file, with checksums."""
    return pq.ParquetWriter(file, schema, **_WRITING)


def _to_arrow(column: Column, kind: pa.DataType) -> pa.Array:
    if column.offsets is None:
        return pa.array(np.asarray(column.values), type=kind)
    values = pa.array(np.asarray(column.values), type=kind.value_type)
    return pa.ListArray.from_arrays(pa.array(column.offsets, type=pa.int32()), values, type=kind)
