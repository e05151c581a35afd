"""Columns of an exposure log in one Parquet file: types, metadata, atomic writing, checked reading.

Knows files and columns; what the columns mean together is `ExposureLog`'s business.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gerank.data.exposure_checks import ExposureLogError
from gerank.data.regular_file import NotRegularFileError, open_regular
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.data.texts import text_column_of
from gerank.data.whole_file import whole_file

FORMAT_VERSION = 1
"""Of the file. Raised whenever an older reader would misunderstand a newer file."""

_METADATA_KEY = b"gerank.exposure_log"
_PAGES_PER_ROW_GROUP = 16_384


class Column(NamedTuple):
    """One column, flat.

    Attributes:
        values: [E], or the lists of all pages one after the other.
        offsets: [E + 1] int64. Where each page's list begins; None: one value per page.
    """

    values: NDArray[Any]
    offsets: NDArray[np.int64] | None = None


def column_types(schema: FeatureSchema) -> dict[str, pa.DataType]:
    """Every column of a log with this schema, in the order of the file."""
    types: dict[str, pa.DataType] = {
        "page_id": pa.string(),
        "person_id": pa.string(),
        "timestamp": pa.int64(),
    }
    types |= {f"user.{f.name}": _value_type(f) for f in schema.user}
    types["candidate.id"] = pa.list_(pa.string())
    types |= {f"candidate.{f.name}": pa.list_(_value_type(f)) for f in schema.candidate}
    types["slate"] = pa.list_(pa.int32())
    for name in ("feedback.click", "log_propensity", "placement_propensity"):
        types[name] = pa.list_(pa.float32())
    return types


def write_columns(path: Path, schema: FeatureSchema, columns: Mapping[str, Column]) -> None:
    """Writes the file; a reader sees the old one or the new one, never a part.

    Raises:
        OSError: The folder cannot be written; the file at `path` is as it was.
    """
    document = {"format_version": FORMAT_VERSION, "schema": schema.to_json()}
    types = column_types(schema)
    arrow_schema = pa.schema(list(types.items()), metadata={_METADATA_KEY: json.dumps(document)})
    arrays = [_to_arrow(columns[name], kind) for name, kind in types.items()]
    table = pa.Table.from_arrays(arrays, schema=arrow_schema)
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        pq.write_table(
            table,
            file,
            compression="zstd",
            row_group_size=_PAGES_PER_ROW_GROUP,
            write_page_checksum=True,
        )


def read_columns(path: Path) -> tuple[FeatureSchema, dict[str, Column]]:
    """Reads what `write_columns` wrote.

    Raises:
        ExposureLogError: The file is missing, no Parquet, damaged, not a gerank log, of another
            format version, or a column is missing, unknown, of another type or holds a null.
    """
    try:
        opened = open_regular(path)
    except NotRegularFileError as error:
        raise ExposureLogError(f"{path}: {error}") from None
    try:
        with opened, pq.ParquetFile(opened, page_checksum_verification=True) as file:
            arrow_schema = file.schema_arrow
            schema = _read_schema(path, arrow_schema.metadata or {})
            types = column_types(schema)
            _check_columns(path, arrow_schema, types)
            table = file.read()
            promised = file.metadata.num_rows
        if table.num_rows != promised:
            raise ExposureLogError(f"{path}: holds {table.num_rows} of {promised} promised pages")
        return schema, {name: _from_arrow(path, name, table) for name in types}
    except ExposureLogError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExposureLogError(f"{path}: not a readable Parquet file: {reason}") from error


def _value_type(feature: Feature) -> pa.DataType:
    return pa.float32() if feature.kind is FeatureKind.DENSE else pa.int64()


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
    if _METADATA_KEY not in metadata:
        raise ExposureLogError(
            f"{path}: not an exposure log: its metadata has no {_METADATA_KEY.decode()!r}"
        )
    try:
        document = json.loads(metadata[_METADATA_KEY])
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


def _check_columns(path: Path, found: pa.Schema, expected: Mapping[str, pa.DataType]) -> None:
    for name in expected:
        if found.names.count(name) != 1:
            raise ExposureLogError(
                f"{path}: column {name!r} is there {found.names.count(name)} times, not once"
                if name in found.names
                else f"{path}: column {name!r} is missing"
            )
    for field in found:
        if field.name not in expected:
            raise ExposureLogError(f"{path}: column {field.name!r} is not in the schema")
        if field.type != expected[field.name]:
            raise ExposureLogError(
                f"{path}: column {field.name!r} is {field.type}, not {expected[field.name]}"
            )
