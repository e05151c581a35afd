"""Slates as columns of a table, named as in the documents that `gerank rerank` writes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.relaxed import RELAXED, RULES, rule_names
from gerank.scoring.id_numbers import is_text
from gerank.scoring.request_columns import Pages
from gerank.scoring.request_rows import has_json

if TYPE_CHECKING:
    from gerank._engine import RawPages

_RELAXED = pa.array(
    [list(rule_names(bits)) for bits in range(1 << len(RELAXED))], pa.list_(pa.string())
)
_UNMET = pa.struct(
    [
        ("rule", pa.string()),
        ("name", pa.string()),
        ("wanted", pa.int64()),
        ("got", pa.int64()),
        ("slots", pa.list_(pa.int32())),
    ]
)

_UNMET_NAMES = [field.name for field in _UNMET]


def slate_schema(requests: pa.Schema) -> pa.Schema:
    """The schema of the slates of requests; ids are of the requests' own types."""
    return pa.schema(
        [
            ("id", _id_type(requests)),
            ("slate", pa.list_(pa.struct(_slot_fields(_candidate_id_type(requests))))),
            ("unmet", pa.list_(_UNMET)),
            ("model_version", pa.string()),
            ("seed", pa.uint64()),
        ]
    )


def _slot_fields(candidate_id: pa.DataType) -> list[tuple[str, pa.DataType]]:
    return [
        ("slot", pa.int32()),
        ("id", candidate_id),
        ("candidate", pa.int32()),
        ("log_prob", pa.float32()),
        ("relaxed", _RELAXED.type),
    ]


def _id_type(requests: pa.Schema) -> pa.DataType:
    if has_json(requests) or "id" not in requests.names:
        return pa.string()
    return _told_type(requests.field("id").type)


def _candidate_id_type(requests: pa.Schema) -> pa.DataType:
    """That of `candidates.id`; text where there is no such column, so that no row has an answer."""
    lists = requests.field("candidates").type if "candidates" in requests.names else pa.null()
    entry = getattr(lists, "value_type", pa.null())
    place = entry.get_field_index("id") if pa.types.is_struct(entry) else -1
    return _told_type(entry.field(place).type) if place >= 0 else pa.string()


def _told_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return kind if pa.types.is_integer(kind) else pa.string()


def slates_of_pages(
    answered: Sequence[RawPages],
    pages: Pages,
    first: int,
    model_version: str,
    schema: pa.Schema,
) -> pa.RecordBatch:
    """The answers to some consecutive pages.

    Args:
        answered: What `rank_pages` gave for each run of them; maybe none.
        pages: All of them.
        first: The first one that was answered.
        model_version: Names the artifact.
        schema: As `slate_schema` gives it.
    """
    if not answered:
        return pa.RecordBatch.from_pylist([], schema)
    counts, slots, candidates, log_prob, relaxed, seeds = _joined(answered)
    count = len(counts)
    begins = np.repeat(pages.offsets[first : first + count], counts)
    slate_type = schema.field("slate").type
    fields = [
        pa.array(slots),
        pages.candidate_ids.take(pa.array(begins + candidates)).cast(slate_type.value_type[1].type),
        pa.array(candidates),
        pa.array(log_prob),
        _RELAXED.take(pa.array(relaxed)),
    ]
    entries = pa.StructArray.from_arrays(fields, fields=list(slate_type.value_type))
    columns = [
        pages.ids.slice(first, count).cast(schema.field("id").type),
        pa.ListArray.from_arrays(_offsets(counts), entries),
        _unmet(answered, count),
        pa.repeat(pa.scalar(model_version, pa.string()), count),
        pa.array(seeds, mask=~pages.sampled[first : first + count]),
    ]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def slates_of_documents(documents: Sequence[dict[str, Any]], schema: pa.Schema) -> pa.RecordBatch:
    """The same of answers that are documents."""
    candidate_id = schema.field("slate").type.value_type[1].type
    rows = []
    for document in documents:
        slate = [entry | {"id": _told(entry["id"], candidate_id)} for entry in document["slate"]]
        told = {"id": _told(document["id"], schema.field("id").type), "slate": slate}
        rows.append(document | told)
    return pa.RecordBatch.from_pylist(rows, schema=schema)


def _told(given: str | int, kind: pa.DataType) -> str | int:
    return str(given) if is_text(kind) else given


def _offsets(counts: NDArray[np.int32]) -> pa.Array:
    return pa.array(np.concatenate(([0], np.cumsum(counts))), pa.int32())


def _joined(answered: Sequence[RawPages]) -> Iterator[NDArray[Any]]:
    return (np.concatenate(arrays) for arrays in zip(*(raw[:6] for raw in answered), strict=True))


def _unmet(answered: Sequence[RawPages], count: int) -> pa.Array:
    counts, entries, first = np.zeros(count, np.int32), list[dict[str, Any]](), 0
    for raw in answered:
        for page, (rule, *rest) in raw[6]:
            counts[first + page] += 1
            entries.append(dict(zip(_UNMET_NAMES, (RULES[rule], *rest), strict=True)))
        first += len(raw[0])
    return pa.ListArray.from_arrays(_offsets(counts), pa.array(entries, _UNMET))
