"""Rows that are read as columns get the slates, and the words, of documents read one by one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from gerank.data.request import RequestError
from gerank.data.request_check import parse_request
from gerank.data.schema import Feature, FeatureKind, FeatureSchema, hash_id
from gerank.ranker import Ranker
from gerank.scoring.errors import NotColumnarError
from gerank.scoring.feature_columns import FeatureColumns
from gerank.scoring.id_numbers import hashes
from gerank.scoring.request_columns import PageReader
from gerank.scoring.scorer import BadRow, Scorer
from gerank.unknown_features import UnknownFeatures
from tests.data.any_request import CONTRACT
from tests.data.request_cases import Document
from tests.scoring.requests import answers, assert_same_answers, random_documents, table_of

BAD_COUNT = 40


@pytest.fixture
def documents(seed: int) -> list[Document]:
    return random_documents(np.random.default_rng(seed), 150)


def scored(model: Path, rows: pa.Table) -> tuple[list[Document], list[BadRow]]:
    """Answers as documents, and bad rows."""
    slates, bad = list[Document](), list[BadRow]()
    [batch] = rows.combine_chunks().to_batches()
    for piece in Scorer(Ranker.load(model)).score(batch):
        for row in piece.slates.to_pylist():
            slates.append({k: v for k, v in row.items() if k != "seed" or v is not None})
        bad += piece.bad
    return slates, bad


def columnar(rows: pa.Table) -> bool:
    """Whether all rows are read together."""
    [batch] = rows.combine_chunks().to_batches()
    try:
        PageReader(CONTRACT, UnknownFeatures.REFUSE).read(batch)
    except NotColumnarError:
        return False
    return True


def test_columns_get_the_slates_of_documents(model: Path, documents: list[Document]) -> None:
    rows = table_of(documents)
    assert columnar(rows)
    slates, bad = scored(model, rows)
    assert not bad
    assert any(answer["unmet"] for answer in slates)
    assert any(entry["relaxed"] for answer in slates for entry in answer["slate"])
    assert_same_answers(slates, answers(model, documents))


def test_large_and_dictionary_types_are_read_as_columns_too(
    model: Path, documents: list[Document]
) -> None:
    candidates = table_of(documents).column("candidates")
    narrow = candidates.type.value_type
    fields = [_as_other_type(field) for field in narrow]
    rows = table_of(documents)
    place = rows.schema.get_field_index("candidates")
    rows = rows.set_column(
        place, "candidates", _cast(candidates.combine_chunks(), pa.struct(fields))
    )
    assert columnar(rows)
    slates, bad = scored(model, rows)
    assert not bad
    assert_same_answers(slates, answers(model, documents))


def _as_other_type(field: pa.Field) -> pa.Field:
    if field.name in ("seller", "id"):
        return field.with_type(pa.dictionary(pa.int32(), pa.string()))
    if field.name == "category":
        return field.with_type(pa.uint8())
    if field.name == "embedding":
        return field.with_type(pa.list_(pa.float64(), 3))
    return field


def _cast(lists: pa.ListArray, entry: pa.StructType) -> pa.LargeListArray:
    given = lists.flatten()
    columns = [
        column.dictionary_encode()
        if pa.types.is_dictionary(field.type)
        else column.cast(field.type)
        for column, field in zip(given.flatten(), entry, strict=True)
    ]
    entries = pa.StructArray.from_arrays(columns, fields=list(entry))
    return pa.LargeListArray.from_arrays(lists.offsets.cast(pa.int64()), entries)


def test_json_documents_in_a_column_get_the_same_slates(
    model: Path, documents: list[Document]
) -> None:
    rows = pa.table({"request": list(map(json.dumps, documents))})
    slates, bad = scored(model, rows)
    assert not bad
    assert_same_answers(slates, answers(model, documents))


def _candidate(**changes: Any) -> Callable[[Document], None]:
    def spoil(document: Document) -> None:
        document["candidates"][-1] = document["candidates"][-1] | changes

    return spoil


def _key(**changes: Any) -> Callable[[Document], None]:
    return lambda document: document.update(changes)


def _same_id(document: Document) -> None:
    document["candidates"] = document["candidates"][:1] * 2
    document.pop("pins", None)


SPOILS: dict[str, Callable[[Document], None]] = {
    "NaN": _candidate(score=float("nan")),
    "a missing feature": _candidate(score=None),
    "a missing id": _candidate(id=None),
    "an id out of its range": _candidate(category=5),
    "a list's entry out of its range": _candidate(genres=[77]),
    "a vector of another width": _candidate(embedding=[1.0]),
    "an id twice": _same_id,
    "no candidates": _key(candidates=[]),
    "no user": _key(user=None),
    "an unknown country": lambda document: document["user"].update(country="xx"),
    "too many slots": _key(slots=99),
    "no such preset": _key(preset="none"),
    "a weight out of its range": _key(weights={"clicks": 7.0}),
    "a pin on nobody": _key(pins={"0": "nobody"}),
    "a rule of no group": _key(spacing=[{"group": "none", "window": 2, "cap": 1}]),
    "no mode": _key(mode="often"),
    "above without flags": _key(above=[{"seller": "1"}]),
}


@pytest.mark.parametrize("name", SPOILS)
def test_a_bad_row_is_told_as_its_document_is(model: Path, name: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    documents = random_documents(rng, BAD_COUNT)
    place = int(rng.integers(BAD_COUNT))
    sound = [document for number, document in enumerate(documents) if number != place]
    SPOILS[name](documents[place])
    documents[place] = {key: v for key, v in documents[place].items() if v is not None}
    slates, bad = scored(model, table_of(documents))
    with pytest.raises(RequestError) as error:
        parse_request(_without_nulls(documents[place]), CONTRACT)
    assert bad == [BadRow(place, str(error.value))]
    assert_same_answers(slates, answers(model, sound))


def _without_nulls(document: Document) -> Document:
    candidates = [
        {key: value for key, value in candidate.items() if value is not None}
        for candidate in document["candidates"]
    ]
    return document | {"candidates": candidates}


def test_an_unknown_column_is_refused_or_a_feature_of_it_ignored(
    model: Path, documents: list[Document]
) -> None:
    rows = table_of(documents).append_column("slotz", pa.array([3] * len(documents)))
    slates, bad = scored(model, rows)
    assert not slates
    assert [row.number for row in bad] == list(range(len(documents)))
    assert "the nearest is 'slots'" in bad[0].reason
    for document in documents:
        document["user"]["shoe_size"] = 43
    reader = PageReader(CONTRACT, UnknownFeatures.IGNORE)
    [batch] = table_of(documents).combine_chunks().to_batches()
    assert len(reader.read(batch).native) == len(documents)


def test_texts_are_hashed_as_one_by_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    texts = ["", *("č€x\0"[int(n) % 4] * int(n) for n in rng.integers(20, size=200))]
    assert hashes(pa.array(texts)).tolist() == [hash_id(text) for text in texts]
    sliced = pa.array(texts).slice(3, 90)
    assert hashes(sliced).tolist() == [hash_id(text) for text in texts[3:93]]
    assert hashes(pa.array([], pa.string())).tolist() == []


MISSING = FeatureSchema(
    user=(
        Feature("age", FeatureKind.DENSE, default=30.0),
        Feature("age_missing", FeatureKind.ID, vocabulary=2, values=("no", "yes")),
    ),
    candidate=(Feature("score", FeatureKind.DENSE),),
)


def test_what_is_null_has_its_default_and_its_flag() -> None:
    reader = FeatureColumns(MISSING, "user", UnknownFeatures.REFUSE)
    users = pa.array([{"age": 5.0}, {"age": None}, {"age": 30.0}])
    age, flag = (block[2].tolist() for block in reader.read(users))
    assert (age, flag) == ([5.0, 30.0, 30.0], [0, 1, 0])
    told = pa.array([{"age": 5.0, "age_missing": "no"}, {"age": 30.0, "age_missing": "yes"}])
    assert reader.read(told)[1][2].tolist() == [0, 1]
    for wrong in ({"age": 5.0, "age_missing": "yes"}, {"age": None, "age_missing": "no"}):
        with pytest.raises(NotColumnarError, match="age_missing contradicts"):
            reader.read(pa.array([{"age": 1.0, "age_missing": "no"}, wrong]))
