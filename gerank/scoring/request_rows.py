"""Rows of a table as the documents that `gerank.data.request_json` reads.

A column is a key of the document. Parquet has no way to leave a key out of one row: null does so,
among the features of a user or a candidate as well.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from gerank.data.request import RequestError

JSON_COLUMN = "request"
"""The only column of a file whose rows are JSON documents."""

_OBJECTS = ("user", "pins", "weights")
_LISTS_OF_OBJECTS = ("candidates", "above", "spacing", "quotas")


def has_json(schema: pa.Schema) -> bool:
    """Whether the rows of a file are JSON documents."""
    return bool(schema.names == [JSON_COLUMN])


def row_document(rows: pa.RecordBatch, row: int) -> Mapping[str, Any]:
    """One row as a document.

    Raises:
        RequestError: The row holds no JSON, or text that is no UTF-8.
    """
    try:
        [values] = rows.slice(row, 1).to_pylist(maps_as_pydicts="lossy")
    except UnicodeDecodeError as error:
        raise RequestError("row", error.object, "must be valid Unicode") from None
    if has_json(rows.schema):
        return _parsed(values[JSON_COLUMN])
    return {name: plain_value(name, value) for name, value in values.items() if value is not None}


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
