"""Reads the Parquet files of an exposure log, a row group at a time, and checks their columns.

This module knows files and columns; what the columns mean together is `ExposureLog`'s business.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from gerank.data.column_builder import ColumnBuilders, to_numpy
from gerank.data.column_store import ColumnStore
from gerank.data.exposure_checks import ExposureLogError
from gerank.data.exposure_parquet import Column
from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback
from gerank.data.feedback_values import kind_of
from gerank.data.log_columns import (
    ABOVE_PREFIX,
    FEEDBACK_PREFIX,
    FORMAT_VERSION,
    METADATA_KEY,
    OPTIONAL,
    PAGE_ID,
    SLATE,
    column_types,
    is_further_feedback,
    may_be_missing,
)
from gerank.data.regular_file import NotRegularFileError, open_regular
from gerank.data.schema import FeatureSchema


def read_facts(path: Path) -> dict[str, Any]:
    """The metadata of a log's file, beside its format version and schema.

    Raises:
        ExposureLogError: The file is no Parquet file of gerank's.
    """
    metadata = _read_metadata(path)
    _read_schema(path, metadata)
    document = json.loads(metadata[METADATA_KEY])
    return {name: v for name, v in document.items() if name not in ("format_version", "schema")}


def read_schema(path: Path) -> FeatureSchema:
    """The features of a log, as the metadata of its file says.

    Raises:
        ExposureLogError: The file is no Parquet file of gerank's.
    """
    return _read_schema(path, _read_metadata(path))


def _read_metadata(path: Path) -> Mapping[bytes, bytes]:
    with _reading(path), _opened(path) as file:
        return pq.read_schema(file).metadata or {}


def read_columns(
    paths: Sequence[Path], memory_mb: int
) -> tuple[FeatureSchema, dict[str, Column], ColumnStore]:
    """Reads what `write_columns` wrote.

    Args:
        paths: The files, whose pages follow each other; they have one schema.
        memory_mb: Larger columns, in MiB, lie in temporary files: see `ColumnStore`.

    Raises:
        ExposureLogError: A file is missing, no Parquet, damaged, not a gerank log, of another
            format version or schema than the first, or a column is missing, unknown, of another
            type or holds a null.
        ColumnStoreError: There is no room for temporary files.
    """
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(_parquet(path)) for path in paths]
        schema, there = _common_schema(paths, files)
        types = {name: kind for name, kind in column_types(schema).items() if name in there}
        packed = sum(path.stat().st_size for path in paths)
        builders = ColumnBuilders(types, memory_mb, least_bytes=packed)
        for path, file in zip(paths, files, strict=True):
            _read_file(path, file, list(types), builders)
    columns, store = builders.columns(), builders.store
    for name in OPTIONAL:
        if name not in columns:
            columns[name] = _unknown(columns[SLATE], store)
    return schema, columns, store


@contextlib.contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Names the file in what goes wrong inside."""
    try:
        yield
    except ExposureLogError:
        raise
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ExposureLogError(f"{path}: not a readable Parquet file: {reason}") from error


@contextlib.contextmanager
def _parquet(path: Path) -> Iterator[pq.ParquetFile]:
    with contextlib.ExitStack() as stack:
        with _reading(path):
            opened = stack.enter_context(_opened(path))
            file = stack.enter_context(pq.ParquetFile(opened, page_checksum_verification=True))
        yield file


def _opened(path: Path) -> BinaryIO:
    try:
        return open_regular(path)
    except NotRegularFileError as error:
        raise ExposureLogError(f"{path}: {error}") from None


def _common_schema(
    paths: Sequence[Path], files: Sequence[pq.ParquetFile]
) -> tuple[FeatureSchema, set[str]]:
    """The schema of all files, and the columns that they have."""
    first: pa.Schema | None = None
    for path, file in zip(paths, files, strict=True):
        with _reading(path):
            found = file.schema_arrow
            schema = _read_schema(path, found.metadata or {})
            _check_columns(path, found, column_types(schema))
            first = found if first is None else first
        if not found.equals(first):
            raise ExposureLogError(f"{path}: {_difference(found, first)} as in {paths[0]}")
    assert first is not None
    schema = _read_schema(paths[0], first.metadata or {})
    metadata = [json.loads(file.schema_arrow.metadata[METADATA_KEY])["schema"] for file in files]
    for path, document in zip(paths, metadata, strict=True):
        if document != metadata[0]:
            raise ExposureLogError(f"{path}: its features are not those of {paths[0]}")
    return _with_further_feedback(schema, paths, files), set(first.names)


def _difference(found: pa.Schema, first: pa.Schema) -> str:
    for field in first:
        if field.name not in found.names:
            return f"column {field.name!r} is not there,"
        if found.field(field.name).type != field.type:
            return f"column {field.name!r} is not of the type"
    extra = [name for name in found.names if name not in first.names]
    return f"column {extra[0]!r} is not there" if extra else "the order of its columns is not"


def _read_file(
    path: Path, file: pq.ParquetFile, names: list[str], builders: ColumnBuilders
) -> None:
    promised, read = file.metadata.num_rows, 0
    for group in range(file.num_row_groups):
        with _reading(path):
            table = file.read_row_group(group, names)
        read += table.num_rows
        for name in names:
            _add(path, name, table, builders)
        builders.settle()
    if read != promised:
        raise ExposureLogError(f"{path}: holds {read} of {promised} promised pages")


def _add(path: Path, name: str, table: pa.Table, builders: ColumnBuilders) -> None:
    chunked = table.column(name)
    array = pa.concat_arrays(chunked.chunks) if chunked.num_chunks else chunked.combine_chunks()
    _refuse_nulls(path, name, table, array, None)
    if not pa.types.is_list(array.type):
        builders.add(name, array, None)
        return
    offsets = array.offsets.to_numpy().astype(np.int64)
    _refuse_nulls(path, name, table, array.flatten(), offsets - offsets[0])
    builders.add(name, array.flatten(), np.diff(offsets))


def _unknown(slate: Column, store: ColumnStore) -> Column:
    values = store.column(len(slate.values), np.float32)
    values.fill(np.nan)
    return Column(values, slate.offsets)


def _refuse_nulls(
    path: Path, name: str, table: pa.Table, array: pa.Array, offsets: NDArray[np.int64] | None
) -> None:
    if array.null_count == 0:
        return
    place = int(np.argmax(array.is_null().to_numpy(zero_copy_only=False)))
    page = place if offsets is None else int(np.searchsorted(offsets, place, side="right")) - 1
    page_id = table.column(PAGE_ID)[page].as_py()
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


def _with_further_feedback(
    schema: FeatureSchema, paths: Sequence[Path], files: Sequence[pq.ParquetFile]
) -> FeatureSchema:
    """The schema with all feedback of the files; its kind is as told, or what its values are."""
    arrow = files[0].schema_arrow
    told = json.loads(arrow.metadata[METADATA_KEY]).get("feedback", {})
    known = {kind.name for kind in schema.feedback}
    found = list(schema.feedback)
    for column in arrow:
        name = column.name.removeprefix(FEEDBACK_PREFIX)
        if is_further_feedback(column.name, column.type) and name not in known:
            if name in told:
                kind = FeedbackKind(told[name])
            else:
                kind = kind_of(np.concatenate(_values_of(column.name, paths, files)))
            found.append(FurtherFeedback(name, kind))
    return replace(schema, feedback=tuple(found))


def _values_of(
    name: str, paths: Sequence[Path], files: Sequence[pq.ParquetFile]
) -> list[NDArray[Any]]:
    """The distinct values of a column of lists, file by file."""
    found = []
    for path, file in zip(paths, files, strict=True):
        for group in range(file.num_row_groups):
            with _reading(path):
                column = file.read_row_group(group, [name]).column(0)
            found += [to_numpy(chunk.flatten().unique()) for chunk in column.chunks]
    return found or [np.empty(0, np.float32)]


def _check_columns(path: Path, found: pa.Schema, expected: Mapping[str, pa.DataType]) -> None:
    follows = any(name.startswith(ABOVE_PREFIX) for name in found.names)
    for name in expected:
        needed = follows and name.startswith(ABOVE_PREFIX)
        if may_be_missing(name) and name not in found.names and not needed:
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
