"""A document of numpy's scalars, as a data frame gives them, is the document of Python's."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from gerank.data.native_query import native_query
from gerank.data.request import RequestError
from gerank.data.request_check import check_request, parse_request
from gerank.data.slate import Slate, slate_document
from gerank.wire.query import query_from_request
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT

INTEGERS = [np.int8, np.int32, np.int64, np.uint16, np.uint64]
FLOATS = [np.float16, np.float32, np.float64, np.longdouble]


def numpy_like(value: Any, whole: Callable[[int], Any], real: Callable[[float], Any]) -> Any:
    """The document with each number and truth as a numpy scalar; texts as `np.str_`."""
    if isinstance(value, dict):
        return {key: numpy_like(inner, whole, real) for key, inner in value.items()}
    if isinstance(value, list):
        return [numpy_like(inner, whole, real) for inner in value]
    if isinstance(value, bool):
        return np.bool_(value)
    if isinstance(value, str):
        return np.str_(value)
    return whole(value) if isinstance(value, int) else real(value)


def exact_document() -> dict[str, Any]:
    """Numbers that all of the types hold exactly, ids that are integers, flags that are truths."""
    document = valid_document() | {"id": 7, "temperature": 0.75, "weights": {"clicks": 1.5}}
    for index, candidate in enumerate(document["candidates"]):
        candidate |= {"id": index, "score": 0.5 + 0.25 * index, "fresh": bool(index % 2)}
        candidate["dedup_key"] = index // 2
    return document | {"pins": {"1": 0, "3": 2}}


@pytest.mark.parametrize("whole", INTEGERS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("real", FLOATS, ids=lambda kind: kind.__name__)
def test_numpys_scalars_are_taken_everywhere(
    whole: Callable[[int], Any], real: Callable[[float], Any]
) -> None:
    plain = parse_request(exact_document(), CONTRACT)
    given = parse_request(numpy_like(exact_document(), whole, real), CONTRACT)
    assert query_from_request(given) == query_from_request(plain)
    slate = Slate((0,), (3,), (-0.1,), ((),), 5, "model")
    assert json.dumps(slate_document(given, slate)) == json.dumps(slate_document(plain, slate))


def test_a_request_of_columns_takes_them_too() -> None:
    plain = parse_request(exact_document(), CONTRACT)
    for greedy in (True, False):
        given = replace(
            plain,
            id=np.int64(7),
            candidate_ids=tuple(np.arange(len(plain.candidate_ids))),
            greedy=np.bool_(greedy),
            temperature=np.float32(0.75),
            seed=np.uint64(2**64 - 1),
            slots=np.int8(3),
            pins=(),
        )
        check_request(given, CONTRACT)
        same = replace(plain, greedy=greedy, seed=2**64 - 1, slots=3, pins=())
        assert query_from_request(given) == query_from_request(same)


def test_any_real_number_is_one() -> None:
    document = valid_document()
    document["user"]["age"] = Fraction(63, 2)
    assert parse_request(document, CONTRACT).user["age"] == 31.5


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("user", "age"), np.bool_(True)),
        (("user", "age"), np.complex64(1)),
        (("user", "age"), np.float32("nan")),
        (("candidates", 0, "price"), np.float64("inf")),
        (("candidates", 0, "price"), np.datetime64("2026-01-01")),
        (("candidates", 0, "category"), np.float32(1)),
        (("candidates", 0, "category"), np.int64(5)),
        (("candidates", 1, "id"), np.bool_(True)),
        (("candidates", 0, "dedup_key"), np.float64(1)),
        (("weights", "clicks"), np.bool_(True)),
        (("weights", "clicks"), np.complex128(1)),
        (("weights", "clicks"), np.float32("nan")),
        (("temperature",), np.bool_(True)),
        (("slots",), np.float32(3)),
        (("slots",), np.bool_(True)),
        (("seed",), np.int64(-1)),
    ],
    ids=lambda value: repr(value),
)
def test_those_that_are_no_such_number_are_refused_by_name(
    path: tuple[str | int, ...], value: Any
) -> None:
    document: Any = valid_document()
    target = document
    for key in path[:-1]:
        target = target[key]
    target[path[-1]] = value
    with pytest.raises(RequestError) as caught:
        parse_request(document, CONTRACT)
    assert caught.value.field.endswith(str(path[-1]))


def test_a_greedy_of_another_type_is_refused() -> None:
    request = replace(parse_request(valid_document(), CONTRACT), greedy=1)
    with pytest.raises(RequestError, match="greedy: must be true or false, got 1"):
        check_request(request, CONTRACT)
    assert native_query(replace(request, greedy=np.bool_(True)), CONTRACT) is not None
