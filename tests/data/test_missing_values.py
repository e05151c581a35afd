"""Flags of missing values in documents: derived where they are left out, refused where they lie."""

from __future__ import annotations

from typing import Any

import pytest

import gerank.data
from gerank.data.contract import RequestContract, WeightRange
from gerank.data.feature_block import Block, BlockKind
from gerank.data.log_requests import request_document
from gerank.data.request import Request, RequestError
from gerank.data.request_check import parse_request
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from tests.data.foreign_tables import LONG, LONG_MAP, mapping, table


def flag(name: str, default: int | None = 1) -> Feature:
    return Feature(name, FeatureKind.ID, 2, values=("no", "yes"), default=default)


SCHEMA = FeatureSchema(
    user=(Feature("age", FeatureKind.DENSE, default=40.1), flag("age_missing")),
    candidate=(
        Feature("price", FeatureKind.DENSE),
        flag("price_missing", None),
        Feature("v_0", FeatureKind.DENSE, default=0.5),
        Feature("v_1", FeatureKind.DENSE, default=0.5),
        flag("v_missing"),
        flag("seen_missing"),
    ),
    blocks=(Block("candidate", "v", BlockKind.VECTOR, ("v_0", "v_1")),),
)
CONTRACT = RequestContract(SCHEMA, 4, 2, {"clicks": WeightRange(1.0, 1.0, 1.0)})


def parsed(user: dict[str, Any], **candidate: Any) -> Request:
    one = {"id": "a", "price": 1.0} | ({"v": [1.0, 2.0]} if "v_0" not in candidate else {})
    one |= candidate
    page = {"id": "p", "user": user, "candidates": [one, {"id": "b", "price": 2, "v": None}]}
    return parse_request(page, CONTRACT)


@pytest.mark.parametrize(
    ("user", "age", "missing"),
    [
        ({"age": 31}, 31.0, 0),
        ({"age": 31, "age_missing": "no"}, 31.0, 0),
        ({"age": 31, "age_missing": None}, 31.0, 0),
        ({"age": 40.1}, 40.1, 0),
        ({"age": 40.1, "age_missing": "yes"}, 40.1, 1),
        ({"age": 40.099998474121094, "age_missing": 1}, 40.099998474121094, 1),
        ({"age": None}, 40.1, 1),
        ({"age": None, "age_missing": True}, 40.1, 1),
        ({}, 40.1, 1),
    ],
)
def test_the_flag_follows_from_whether_the_value_is_there(
    user: dict[str, Any], age: float, missing: int
) -> None:
    assert parsed(user).user == {"age": age, "age_missing": missing}


def test_candidates_and_vectors_have_their_flags() -> None:
    columns = parsed({}).candidates
    assert columns["price_missing"].tolist() == [0, 0]
    assert columns["v_missing"].tolist() == [0, 1]
    assert columns["v_0"].tolist() == [1.0, 0.5]
    assert columns["seen_missing"].tolist() == [1, 1]  # names no feature: a flag as any other
    by_columns = parsed({}, v_0=3.0).candidates
    assert (by_columns["v_missing"][0], by_columns["v_1"][0]) == (0, 0.5)
    said = parsed({}, price=0.0, price_missing="yes").candidates
    assert said["price_missing"].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("user", "candidate", "message"),
    [
        ({"age": 31, "age_missing": "yes"}, {},
         "user.age_missing: says that 'age' is missing, and 'age' is 31; leave the flag out, "
         "got 'yes'"),
        ({"age_missing": "no"}, {},
         "user.age_missing: says that 'age' is given, which it is not; leave the flag out"),
        ({"age": None, "age_missing": 0}, {}, "user.age_missing: says that 'age' is given"),
        ({}, {"v_missing": 1},
         "candidates[0].v_missing: says that 'v' is missing, and 'v_0' is 1.0"),
        ({}, {"price": None}, "candidates[0].price: the feature is missing"),
        ({"age": "x", "age_missing": 1}, {}, "user.age: must be a finite float32"),
        ({"age_missing": "perhaps"}, {}, "user.age_missing: unknown value, must be one that"),
    ],
)  # fmt: skip
def test_a_flag_that_contradicts_the_value_is_refused(
    user: dict[str, Any], candidate: dict[str, Any], message: str
) -> None:
    with pytest.raises(RequestError) as caught:
        parsed(user, **candidate)
    assert message in str(caught.value)


def test_pages_of_an_imported_log_are_requests_with_or_without_their_flags() -> None:
    price = {"kind": "dense", "default": 2.1, "missing_flag": True, "optional": True}
    log = gerank.data.import_log(table(LONG), mapping(LONG_MAP, {"candidate.price": price}))
    contract = RequestContract(log.schema, 4, 2, {"clicks": WeightRange(1.0, 1.0, 1.0)})
    document = request_document(log, 0)
    expected = parse_request(document, contract).candidates["price_missing"].tolist()
    assert sorted(expected) == [0, 0, 1]
    for candidate in document["candidates"]:
        if candidate.pop("price_missing") == "yes":
            candidate["price"] = None
    assert parse_request(document, contract).candidates["price_missing"].tolist() == expected
