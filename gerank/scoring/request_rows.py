"""Rows of a table as the documents that `gerank.data.request_json` reads.

A column is a key of the document. Parquet has no way to leave a key out of one row: null does so,
among the features of a user or a candidate as well.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from gerank.data.feature_names import MISSING_FEATURE
from gerank.data.request import RequestError

JSON_COLUMN = "request"
"""The only column of a file whose rows are JSON documents."""

_OBJECTS = ("user", "pins", "weights")
_LISTS_OF_OBJECTS = ("candidates", "above", "spacing", "quotas")
_FEATURE = re.compile(r"(user|candidates|above)(?:\[(\d+)\])?\.(.+)", re.DOTALL)
"""The path of a feature in a document, as messages say it."""


def has_json(schema: pa.Schema) -> bool:
    """Whether the rows of a file are JSON documents."""
    return bool(schema.names == [JSON_COLUMN])


def row_document(rows: pa.RecordBatch, row: int) -> Mapping[str, Any]:
    """One row as a document.

    Raises:
        RequestError: The row holds no JSON, or text that is no UTF-8.
    """
    values = _values(rows, row)
    if has_json(rows.schema):
        return _parsed(values[JSON_COLUMN])
    return {name: plain_value(name, value) for name, value in values.items() if value is not None}


def error_of_row(error: RequestError, rows: pa.RecordBatch, row: int) -> RequestError:
    """What is wrong with a row: where its document lacks a feature, the table may hold a null.

    Args:
        error: What is wrong with its document.
        rows: The table.
        row: Its place there.
    """
    path = _FEATURE.fullmatch(error.field)
    if error.rule != MISSING_FEATURE or path is None or has_json(rows.schema):
        return error
    key, place, name = path.groups()
    given: Any = _values(rows, row).get(key)
    entry = given if place is None else given[int(place)]
    if not isinstance(entry, dict) or name not in entry:
        return error
    return RequestError.shown(error.field, "null", "must be given, as it has no default")


def _values(rows: pa.RecordBatch, row: int) -> dict[str, Any]:
    try:
        [values] = rows.slice(row, 1).to_pylist(maps_as_pydicts="lossy")
    except UnicodeDecodeError as error:
        raise RequestError("row", error.object, "must be valid Unicode") from None
    return dict(values)


def plain_value(key: str, value: Any) -> Any:
    """The value of a key without what is null in its objects."""
    if key in _OBJECTS:
        return _without_nulls(value)
    if key in _LISTS_OF_OBJECTS and isinstance(value, list):
        return [_without_nulls(entry) for entry in value]
    return value


def _without_nulls(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    return {key: entry for key, entry in value.items() if entry is not None}


def _parsed(text: object) -> Mapping[str, Any]:
    if not isinstance(text, str):
        raise RequestError(JSON_COLUMN, text, "must be a text that holds a JSON object")
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise RequestError(JSON_COLUMN, text, f"must be JSON ({error})") from None
    if not isinstance(document, dict):
        raise RequestError(JSON_COLUMN, text, "must be a JSON object")
    return document
