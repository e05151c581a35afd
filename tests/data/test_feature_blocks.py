"""Blocks in schemas, logs and requests: what is written comes back, and every error says where."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gerank.data.contract import RequestContract
from gerank.data.exposure_log import ExposureLog, ExposureLogError
from gerank.data.feature_block import Block, BlockKind, Pool
from gerank.data.log_requests import request_document
from gerank.data.request import Request, RequestError
from gerank.data.request_check import parse_request
from gerank.data.schema import Feature, FeatureKind, FeatureSchema, SchemaError, hash_id
from gerank.data.schema_difference import schema_differences
from gerank.unknown_features import UnknownFeatures
from tests.data.block_cases import CONTRACT, SCHEMA, document
from tests.data.request_cases import CONTRACT as PLAIN


def test_a_schema_with_blocks_comes_back_from_json() -> None:
    text = json.dumps(SCHEMA.to_json())
    assert FeatureSchema.from_json(json.loads(text)) == SCHEMA
    contract = json.dumps(CONTRACT.to_json())
    assert RequestContract.from_json(json.loads(contract)) == CONTRACT


def test_the_engine_passes_blocks_on_to_clients() -> None:
    from gerank import _engine

    ranker = _engine.Ranker.over_function(json.dumps(CONTRACT.to_json()), "v", lambda *_: None)
    assert RequestContract.from_json(json.loads(ranker.contract_json)) == CONTRACT


def test_json_without_blocks_reads_and_is_written_as_before() -> None:
    document = PLAIN.schema.to_json()
    assert set(document) == {"user", "candidate", "groups", "flags"}
    assert FeatureSchema.from_json(document) == PLAIN.schema
    assert set(PLAIN.to_json()["features"]) == {"user", "candidate"}


def ids(name: str, **changes: Any) -> Feature:
    settings: dict[str, Any] = {"vocabulary": 4, "default": 3}
    return Feature(name, FeatureKind.ID, **(settings | changes))


NUMBER, TWO = Feature("x", FeatureKind.DENSE), (ids("l_0"), ids("l_1"))


@pytest.mark.parametrize(
    ("features", "blocks", "message"),
    [
        ((NUMBER,), [("x", "vector", ("x",))], "candidate block 'x': its name is there twice"),
        (TWO, [("l", "ids", ("l_0",)), ("l", "ids", ("l_1",))], "'l': its name is there twice"),
        (TWO, [("l", "ids", ("l_0", "l_2"))], "'l': there is no feature 'l_2'"),
        (TWO, [("l", "ids", ("l_0", "l_0"))], "'l': column 'l_0' is there twice"),
        (TWO, [("l", "vector", ("l_0", "l_1"))], "'l': 'l_0' is of kind id"),
        ((NUMBER,), [("l", "ids", ("x",))], "'l': 'x' is of kind dense"),
        ((ids("a"), ids("b", vocabulary=5)), [("l", "ids", ("a", "b"))], "'b' is not like 'a'"),
        ((ids("a", default=0),), [("l", "ids", ("a",))], "default of its columns is 0, not 3"),
        ((ids("a", default=None),), [("l", "ids", ("a",))], "is None, not 3"),
        ((ids("a", hashed=True),), [("l", "ids", ("a",))], "is 3, not -1"),
        (TWO, [("l", "ids", ())], "block 'l' needs a name and columns"),
    ],
)
def test_blocks_that_do_not_fit_the_features_are_refused(
    features: tuple[Feature, ...], blocks: list[Any], message: str
) -> None:
    with pytest.raises(SchemaError, match=message):
        made = (Block("candidate", name, BlockKind(kind), of) for name, kind, of in blocks)
        FeatureSchema((), features, blocks=tuple(made))


def test_a_column_of_a_list_is_no_group() -> None:
    block = Block("candidate", "l", BlockKind.IDS, ("l_0", "l_1"))
    with pytest.raises(SchemaError, match="'l_1' is a column of a list"):
        FeatureSchema((), TWO, groups=("l_1",), blocks=(block,))


@pytest.mark.parametrize("changes", [{"kind": "matrix"}, {"pool": "max"}, {"depth": 3}])
def test_a_malformed_block_is_a_malformed_schema(changes: dict[str, Any]) -> None:
    document = SCHEMA.to_json()
    document["blocks"][0] |= changes
    with pytest.raises(SchemaError, match=str(next(iter(changes.values()))) + "|depth"):
        FeatureSchema.from_json(document)


def test_what_differs_between_blocks_is_told() -> None:
    fewer = replace(SCHEMA, blocks=SCHEMA.blocks[1:])
    assert schema_differences(SCHEMA, SCHEMA) == []
    assert schema_differences(SCHEMA, fewer) == ["the user block 'history' is missing"]
    assert schema_differences(fewer, SCHEMA) == ["the user block 'history' is new"]
    other = replace(SCHEMA, blocks=(replace(SCHEMA.blocks[0], pool=Pool.MEAN), *SCHEMA.blocks[1:]))
    (told,) = schema_differences(SCHEMA, other)
    assert "user block 'history'" in told and "'mean'" in told and "'sum'" in told


def columns_of(document: dict[str, Any]) -> dict[str, Any]:
    """The same document with every column by itself."""

    def spread(side: str, given: dict[str, Any]) -> dict[str, Any]:
        found = dict(given)
        for block in SCHEMA.blocks_of(side):
            found |= dict(zip(block.columns, found.pop(block.name), strict=False))
        return found

    candidates = [spread("candidate", candidate) for candidate in document["candidates"]]
    return document | {"user": spread("user", document["user"]), "candidates": candidates}


def same(one: Request, other: Request) -> None:
    assert one.user == other.user
    assert list(one.candidates) == list(other.candidates)
    for name, values in one.candidates.items():
        np.testing.assert_array_equal(values, other.candidates[name])


def test_a_list_says_the_same_as_its_columns_one_by_one() -> None:
    as_lists, before = document(), document()
    same(parse_request(as_lists, CONTRACT), parse_request(columns_of(document()), CONTRACT))
    assert as_lists == before  # and the caller's document stays as it is


def test_a_list_becomes_columns_and_marks_of_no_entry() -> None:
    request = parse_request(document(), CONTRACT)
    assert [request.user[f"history_{k}"] for k in range(4)] == [hash_id("x"), 7, -1, -1]
    assert [request.user[f"taste_{k}"] for k in range(2)] == [0.5, -1.0]
    tags = [request.candidates[f"tags_{k}"].tolist() for k in range(3)]
    assert tags == [[4, 0, 0, 0, 4], [4, 4, 1, 1, 4], [4, 4, 4, 2, 4]]
    assert request.candidates["embedding_0"].tolist() == pytest.approx([0, 0.1, 0.2, 0.3, 0.4])


def with_value(side: str, name: str, value: Any) -> dict[str, Any]:
    made = document()
    (made["user"] if side == "user" else made["candidates"][1])[name] = value
    return made


def test_a_longer_list_is_cut_as_in_a_log_and_a_missing_one_is_empty() -> None:
    cut = parse_request(with_value("candidate", "tags", ["c", "b", "a", "a", 77]), CONTRACT)
    assert [cut.candidates[f"tags_{k}"][1] for k in range(3)] == [2, 1, 0]
    without = document()
    del without["candidates"][1]["tags"], without["user"]["history"]
    request = parse_request(without, CONTRACT)
    assert [request.candidates[f"tags_{k}"][1] for k in range(3)] == [4, 4, 4]
    assert [request.user[f"history_{k}"] for k in range(4)] == [-1] * 4


def test_lists_may_be_tuples_and_arrays() -> None:
    made = with_value("user", "taste", np.array([0.5, -1.0], np.float32))
    made["candidates"][1]["tags"] = np.array([0])
    made["candidates"][2]["tags"] = ("a", "b")
    same(parse_request(made, CONTRACT), parse_request(document(), CONTRACT))


def test_a_text_that_is_no_value_is_the_unknown_one() -> None:
    request = parse_request(with_value("candidate", "tags", ["nowhere", "c"]), CONTRACT)
    assert [request.candidates[f"tags_{k}"][1] for k in range(3)] == [3, 2, 4]
    plain = Feature("city", FeatureKind.ID, 2, values=("oslo", "<unknown>"))
    assert [plain.encode(text) for text in ("oslo", "rome", "<unknown>")] == [0, 1, 1]
    with pytest.raises(SchemaError, match="unknown value 'rome'"):
        Feature("city", FeatureKind.ID, 1, values=("oslo",)).encode("rome")


BAD: list[tuple[str, str, Any, str]] = [
    ("user", "taste", [1.0], "user.taste: must be an array of 2, got '1 numbers'"),
    ("user", "taste", [1.0, 2.0, 3.0], "user.taste: must be an array of 2, got '3 numbers'"),
    ("user", "taste", 3.0, "user.taste: must be an array, got 3.0"),
    ("user", "taste", "ab", "user.taste: must be an array, got 'ab'"),
    ("user", "taste", None, "user.taste: must be an array, got None"),
    ("user", "taste", [1.0, "x"], r"user.taste\[1\]: must be a finite float32, got 'x'"),
    ("user", "history", {"x": 1}, "user.history: must be an array"),
    ("user", "history", [-1], r"user.history\[0\]: must be an integer in \[0, 2\^63 - 1\] or a"),
    ("user", "history", [0, -2], r"user.history\[1\]: must be an integer .*, got -2"),
    ("user", "history", [1, 2.5], r"user.history\[1\]: must be an integer .*, got 2.5"),
    ("candidate", "tags", [4], r"candidates\[1\].tags\[0\]: must be an id in \[0, 3\], got 4"),
    ("candidate", "tags", ["<empty>"], r"candidates\[1\].tags\[0\]: must be an id in \[0, 3\]"),
    ("candidate", "genres", [0, "rock"], r"candidates\[1\].genres\[1\]: .*\[0, 4\], got 'rock'"),
    ("candidate", "embedding_1", 1.0, r"candidates\[1\].embedding_1: is given as 'embedding' too"),
    ("candidate", "tag", ["a"], r"candidates\[1\].tag: unknown feature, the nearest is 'tags'"),
]


@pytest.mark.parametrize(("side", "name", "value", "message"), BAD)
def test_what_is_wrong_with_a_block_is_told_with_field_and_value(
    side: str, name: str, value: Any, message: str
) -> None:
    with pytest.raises(RequestError, match=message):
        parse_request(with_value(side, name, value), CONTRACT)


def test_a_vector_that_is_missing_is_told_by_its_name() -> None:
    without = document()
    del without["candidates"][2]["embedding"]
    with pytest.raises(
        RequestError, match=r"candidates\[2\].embedding: the feature is missing"
    ) as caught:
        parse_request(without, CONTRACT)
    assert "'near'" in str(caught.value)
    assert "near_0" not in str(caught.value)
    without["candidates"][2]["embedding_0"] = 1.0
    with pytest.raises(RequestError, match=r"candidates\[2\].embedding_1: the feature is missing"):
        parse_request(without, CONTRACT)


def test_lists_that_an_artifact_does_not_know_are_ignored_where_that_is_said() -> None:
    more = with_value("candidate", "colours", ["red"])
    same(parse_request(more, CONTRACT, UnknownFeatures.IGNORE), parse_request(document(), CONTRACT))


def a_log(change: Callable[[dict[str, Any]], None] | None = None) -> ExposureLog:
    """Two pages, of the candidates and the user of `document`."""
    request = parse_request(document(), CONTRACT)
    kinds = {f.name: np.float32 if f.kind == "dense" else np.int64 for f in SCHEMA.candidate}
    kinds |= {f.name: np.float32 if f.kind == "dense" else np.int64 for f in SCHEMA.user}
    candidate = {n: np.tile(v, 2).astype(kinds[n]) for n, v in request.candidates.items()}
    user = {n: np.full(2, v, kinds[n]) for n, v in request.user.items()}
    if change is not None:
        change(candidate | {f"user.{n}": v for n, v in user.items()})
    nan = np.full(4, np.nan, np.float32)
    return ExposureLog(
        schema=SCHEMA,
        page_ids=np.array(["p", "q"], object),
        person_ids=np.array(["u", "v"], object),
        timestamps=np.arange(2),
        candidate_names=np.array([f"c{k}" for k in range(5)] * 2, object),
        candidate_offsets=np.array([0, 5, 10]),
        user=user,
        candidate=candidate,
        slates=np.array([0, 1, 2, 3]),
        slate_offsets=np.array([0, 2, 4]),
        clicks=np.array([0, 1, 0, 0], np.float32),
        log_propensity=nan,
        placement_propensity=nan,
        feedback={},
    )


def test_a_log_keeps_blocks_and_writes_them_as_lists(tmp_path: Path) -> None:
    log = a_log()
    log.write(tmp_path)
    back = ExposureLog.read(tmp_path)
    assert back.schema == SCHEMA
    written = request_document(back, 1)
    assert written["user"]["history"] == [hash_id("x"), 7]
    assert written["candidates"][3]["tags"] == ["a", "b", "c"]
    assert written["candidates"][0]["tags"] == []
    assert written["candidates"][1]["embedding"] == pytest.approx([0.1, 2.0, 3.5])
    again = parse_request(json.loads(json.dumps(written)), CONTRACT)
    for name, values in parse_request(document(), CONTRACT).candidates.items():
        np.testing.assert_allclose(again.candidates[name], values, rtol=1e-6)


def test_a_log_with_negative_ids_in_a_list_of_hashed_ones_is_refused(tmp_path: Path) -> None:
    def spoil(columns: dict[str, Any]) -> None:
        columns["user.history_2"][1] = -2

    log = a_log(spoil)
    message = r"'user.history_2', page 'q': -2 is neither >= 0 nor -1"
    with pytest.raises(ExposureLogError, match=message):
        log.write(tmp_path)
