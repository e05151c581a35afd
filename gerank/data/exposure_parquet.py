"""Columns of an exposure log in one Parquet file: types, metadata, atomic writing, checked reading.

Knows files and columns; what the columns mean together is `ExposureLog`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gerank.data.exposure_checks import ExposureLogError
from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback, kind_of
from gerank.data.log_columns import (
    FEEDBACK_PREFIX,
    FORMAT_VERSION,
    METADATA_KEY,
    OPTIONAL,
    PAGES_PER_ROW_GROUP,
    SLATE,
    column_types,
    is_further_feedback,
)
from gerank.data.regular_file import NotRegularFileError, open_regular
from gerank.data.schema import FeatureSchema
from gerank.data.texts import text_column_of
from gerank.data.whole_file import whole_file

_WRITING = {"compression": "zstd", "write_page_checksum": True}


class Column(NamedTuple):
    """One column, flat.

    Attributes:
        values: [E], or the lists of all pages one after the other.
        offsets: [E + 1] int64. Where each page's list begins; None: one value per page.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64] | None = None


def write_columns(path: Path, schema: FeatureSchema, columns: Mapping[str, Column]) -> None:
    """Writes the file; a reader sees the old one or the new one, never a part.

    Raises:
        OSError: The folder cannot be written; the file at `path` is as it was.
    """
    types = column_types(schema)
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


def read_facts(path: Path) -> dict[str, Any]:
    """The metadata of a log's file, beside its format version and schema.

    Raises:
        ExposureLogError: The file is no Parquet file of gerank's.
    """
    try:
        with _opened(path) as file:
            metadata = pq.read_schema(file).metadata or {}
    except (pa.ArrowException, OSError) as error:
        raise ExposureLogError(f"{path}: not a readable Parquet file: {error}") from error
    _read_schema(path, metadata)
    document = json.loads(metadata[METADATA_KEY])
    return {name: v for name, v in document.items() if name not in ("format_version", "schema")}


def read_columns(path: Path) -> tuple[FeatureSchema, dict[str, Column]]:
    """Reads what `write_columns` wrote.

    Raises:
        ExposureLogError: The file is missing, no Parquet, damaged, not a gerank log, of another
            format version, or a column is missing, unknown, of another type or holds a null.
    """
    try:
        with (
            _opened(path) as opened,
            pq.ParquetFile(opened, page_checksum_verification=True) as file,
        ):
            arrow_schema = file.schema_arrow
            schema = _read_schema(path, arrow_schema.metadata or {})
            _check_columns(path, arrow_schema, column_types(schema))
            schema = _with_further_feedback(schema, file)
            types = column_types(schema)
            there = set(arrow_schema.names)
            table = file.read([name for name in types if name in there])
            promised = file.metadata.num_rows
        if table.num_rows != promised:
            raise ExposureLogError(f"{path}: holds {table.num_rows} of {promised} promised pages")
        columns = {name: _from_arrow(path, name, table) for name in types if name in there}
        return schema, columns | {
            name: _unknown(columns[SLATE]) for name in OPTIONAL if name not in there
        }
    except ExposureLogError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExposureLogError(f"{path}: not a readable Parquet file: {reason}") from error


def _opened(path: Path) -> BinaryIO:
    try:
        return open_regular(path)
    except NotRegularFileError as error:
        raise ExposureLogError(f"{path}: {error}") from None


def _checked(file: BinaryIO) -> pq.ParquetFile:
    return pq.ParquetFile(file, page_checksum_verification=True)


def _unknown(slate: Column) -> Column:
    return Column(np.full(slate.values.shape, np.nan, dtype=np.float32), slate.offsets)


def _to_arrow(column: Column, kind: pa.DataType) -> pa.Array:
    if column.offsets is None:
        return pa.array(column.values, type=kind)
    values = pa.array(column.values, type=kind.value_type)
    return pa.ListArray.from_arrays(pa.array(column.offsets, type=pa.int32()), values, type=kind)


def _from_arrow(path: Path, name: str, table: pa.Table) -> Column:
    chunked = table.column(name)
    array = pa.concat_arrays(chunked.chunks) if chunked.num_chunks else chunked.combine_chunks()
    if not pa.types.is_list(array.type):
        _refuse_nulls(path, name, table, array, None)
        return Column(_to_numpy(array))
    offsets = array.offsets.to_numpy().astype(np.int64)
    _refuse_nulls(path, name, table, array, None)
    _refuse_nulls(path, name, table, array.flatten(), offsets - offsets[0])
    return Column(_to_numpy(array.flatten()), offsets - offsets[0])


def _to_numpy(array: pa.Array) -> NDArray[Any]:
    if pa.types.is_string(array.type):
        distinct = array.dictionary_encode()  # a name that comes again is the same object
        texts = text_column_of(distinct.dictionary.to_pylist())
        column: NDArray[Any] = texts[distinct.indices.to_numpy()]
        return column
    dtype = np.int64 if pa.types.is_integer(array.type) else np.float32
    return np.array(array.to_numpy(zero_copy_only=False), dtype=dtype)  # a copy can be written to


def _refuse_nulls(
    path: Path, name: str, table: pa.Table, array: pa.Array, offsets: NDArray[np.int64] | None
) -> None:
    if array.null_count == 0:
        return
    place = int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
    page = place if offsets is None else int(np.searchsorted(offsets, place, side="right")) - 1
    page_id = table.column("page_id")[page].as_py()
    raise ExposureLogError(f"{path}: column {name!r}, page {page_id!r}: null is not a value")


def _read_schema(path: Path, metadata: Mapping[bytes, bytes]) -> FeatureSchema:
    if METADATA_KEY not in metadata:
        raise ExposureLogError(
            f"{path}: not an exposure log: its metadata has no {METADATA_KEY.decode()!r}"
        )
    try:
        document = json.loads(metadata[METADATA_KEY])
        version = document["format_version"]
        if version != FORMAT_VERSION:
            raise ExposureLogError(
                f"{path}: format version {version!r}, this gerank reads {FORMAT_VERSION}"
            )
        return FeatureSchema.from_json(document["schema"])
    except ExposureLogError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ExposureLogError(f"{path}: malformed metadata: {error!r}") from error


def _with_further_feedback(schema: FeatureSchema, file: pq.ParquetFile) -> FeatureSchema:
    """The schema with all feedback of the file; its kind is as told, or what its values are."""
    told = json.loads(file.schema_arrow.metadata[METADATA_KEY]).get("feedback", {})
    known = {kind.name for kind in schema.feedback}
    found = list(schema.feedback)
    for column in file.schema_arrow:
        name = column.name.removeprefix(FEEDBACK_PREFIX)
        if is_further_feedback(column.name, column.type) and name not in known:
            if name in told:
                kind = FeedbackKind(told[name])
            else:
                values = file.read([column.name]).column(0).combine_chunks().flatten()
                kind = kind_of(_to_numpy(values))
            found.append(FurtherFeedback(name, kind))
    return replace(schema, feedback=tuple(found))


def _check_columns(path: Path, found: pa.Schema, expected: Mapping[str, pa.DataType]) -> None:
    for name in expected:
        if name in OPTIONAL and name not in found.names:
            continue
        if found.names.count(name) != 1:
            raise ExposureLogError(
                f"{path}: column {name!r} is there {found.names.count(name)} times, not once"
                if name in found.names
                else f"{path}: column {name!r} is missing"
            )
    for field in found:
        if field.name not in expected:
            if is_further_feedback(field.name, field.type):
                continue
            raise ExposureLogError(f"{path}: column {field.name!r} is not in the schema")
        if field.type != expected[field.name]:
            raise ExposureLogError(
                f"{path}: column {field.name!r} is {field.type}, not {expected[field.name]}"
            )
