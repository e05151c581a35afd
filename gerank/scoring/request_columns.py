"""Rows of a table as queries of the engine, over the table's own memory: no row is read by itself.

Rows whose columns do not fit are left to `request_rows`, which tells what is wrong with each.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank._engine import PageColumns
from gerank.data.contract import RequestContract
from gerank.scoring.errors import NotColumnarError
from gerank.scoring.feature_columns import FeatureColumns
from gerank.scoring.id_numbers import is_text, text_parts
from gerank.scoring.rule_rows import RULE_KEYS, RuleReader
from gerank.unknown_features import UnknownFeatures

_KEYS = ("id", "user", "candidates", *RULE_KEYS)


class Pages(NamedTuple):
    """The queries of some rows, and what their slates are told with.

    Attributes:
        native: The P queries.
        ids: [P] integers or texts.
        candidate_ids: [C] integers or texts, those of all pages in turn.
        offsets: [P + 1] int64. Where the candidates of each page begin.
        sampled: [P] bool. Whether a slate may be drawn, so that its seed is told.
    """

    native: PageColumns
    ids: pa.Array
    candidate_ids: pa.Array
    offsets: NDArray[np.int64]
    sampled: NDArray[np.bool_]


class PageReader:
    """Reads rows for one artifact.

    Args:
        contract: What it asks of a request.
        unknown: What becomes of features that it does not know.
    """

    def __init__(self, contract: RequestContract, unknown: UnknownFeatures) -> None:
        self._rules = RuleReader(contract, unknown)
        self._user = FeatureColumns(contract.schema, "user", unknown)
        self._candidates = FeatureColumns(contract.schema, "candidate", unknown)

    def read(self, rows: pa.RecordBatch) -> Pages:
        """All rows.

        Raises:
            NotColumnarError: They have to be read one by one.
        """
        _check_keys(rows)
        ids = _ids(_column(rows, "id"))
        lists = _lists(_column(rows, "candidates"))
        candidates = _objects(lists.flatten())
        offsets = np.concatenate(([0], np.cumsum(lists.value_lengths().to_numpy()))).astype(
            np.int64
        )
        candidate_ids = _ids(_field(candidates, "id"))
        keys = _dedup_keys(candidates)
        rules, sampled = self._rules.read(rows, candidate_ids, offsets, keys)
        native = PageColumns(
            candidate_offsets=offsets,
            user_features=self._user.read(_users(rows)),
            candidate_features=self._candidates.read(candidates),
            candidate_ids=text_parts(_as_text(candidate_ids)),
            dedup_keys=None if keys is None else _numbered(keys),
            rules=rules,
        )
        return Pages(native, ids, candidate_ids, offsets, sampled)


def _check_keys(rows: pa.RecordBatch) -> None:
    names = rows.schema.names
    if len(set(names)) < len(names):
        raise NotColumnarError("a key is there twice")
    for name, column in zip(names, rows.columns, strict=True):
        if name not in _KEYS and column.null_count < len(column):
            raise NotColumnarError(f"{name} is read row by row")


def _column(rows: pa.RecordBatch, name: str) -> pa.Array:
    if name not in rows.schema.names:
        raise NotColumnarError(f"{name} is missing")
    return rows.column(name)


def _users(rows: pa.RecordBatch) -> pa.StructArray:
    """The users; without a column of them, objects without features."""
    if "user" in rows.schema.names and rows.column("user").null_count < rows.num_rows:
        return _objects(rows.column("user"))
    return pa.array([{}] * rows.num_rows, pa.struct([]))


def _objects(column: pa.Array) -> pa.StructArray:
    if not pa.types.is_struct(column.type) or column.null_count:
        raise NotColumnarError("there are no objects in some rows")
    return column


def _lists(column: pa.Array) -> pa.Array:
    kind = column.type
    if pa.types.is_fixed_size_list(kind):
        column = column.cast(pa.list_(kind.value_type))
    elif not (pa.types.is_list(kind) or pa.types.is_large_list(kind)):
        raise NotColumnarError(f"{kind} is no type of lists")
    if column.null_count:
        raise NotColumnarError("there is no list in some rows")
    return column


def _field(objects: pa.StructArray, name: str) -> pa.Array:
    place = objects.type.get_field_index(name)
    if place < 0:
        raise NotColumnarError(f"{name} is missing")
    return objects.field(place)


def _ids(column: pa.Array) -> pa.Array:
    """Integers or texts, all there."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    if column.null_count or not (is_text(column.type) or pa.types.is_integer(column.type)):
        raise NotColumnarError(f"{column.type} is no type of ids")
    return column


def _as_text(ids: pa.Array) -> pa.Array:
    return ids if is_text(ids.type) else ids.cast(pa.large_string())


def _dedup_keys(candidates: pa.StructArray) -> pa.DictionaryArray | None:
    """The keys of all pages, null where a candidate has none; None where none has one."""
    place = candidates.type.get_field_index("dedup_key")
    keys = candidates.field(place) if place >= 0 else pa.nulls(0)
    if keys.null_count == len(keys):
        return None
    if pa.types.is_dictionary(keys.type):
        keys = keys.dictionary_decode()
    if not (is_text(keys.type) or pa.types.is_integer(keys.type)):
        raise NotColumnarError(f"{keys.type} is no type of keys")
    return keys.dictionary_encode()


def _numbered(keys: pa.DictionaryArray) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """A number of each key, and where there is one: only equality within a page matters."""
    there: NDArray[np.bool_] = keys.is_valid().to_numpy(zero_copy_only=False)
    return keys.indices.fill_null(0).cast(pa.int64()).to_numpy(), there
