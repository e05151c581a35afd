from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from hypothesis import given

from gerank.data.request import Pin, Quota, RequestError, Spacing
from gerank.data.request_check import parse_request
from gerank.data.schema import hash_id
from tests.data.bad_requests import BAD_DOCUMENTS, valid_document
from tests.data.request_cases import CONTRACT, MAX_SLOTS, Document, documents


@given(documents())
def test_every_valid_document_is_accepted(document: Document) -> None:
    before = copy.deepcopy(document)
    request = parse_request(json.loads(json.dumps(document)), CONTRACT)
    assert request.id == document["id"]
    assert request.candidate_ids == tuple(c["id"] for c in document["candidates"])
    assert document == before


@pytest.mark.parametrize("case", BAD_DOCUMENTS)
def test_every_bad_document_is_refused_with_field_and_value(case: str) -> None:
    spoil, field, shown = BAD_DOCUMENTS[case]
    document = valid_document()
    spoil(document)
    with pytest.raises(RequestError) as caught:
        parse_request(document, CONTRACT)
    assert caught.value.field.startswith(field)
    assert str(caught.value).startswith(field)
    assert shown in str(caught.value)
    assert len(str(caught.value)) < 500


def test_the_document_that_is_spoiled_is_valid() -> None:
    document = valid_document()
    assert parse_request(document, CONTRACT).id == document["id"]


def test_everything_that_was_written_is_read() -> None:
    request = parse_request(valid_document(), CONTRACT)
    assert request.user == {"age": 31.5, "country": 1}
    np.testing.assert_array_equal(request.candidates["price"], np.arange(10.0, 18.0))
    assert request.candidates["seller"][4] == hash_id("seller1")
    assert request.pins == (Pin(1, 0), Pin(3, 2))
    assert request.dedup_keys is not None
    np.testing.assert_array_equal(request.dedup_keys, [0, 0, 1, 1, 2, 2, 3, 3])
    assert request.spacing == (Spacing("seller", 3, 2),)
    assert request.quotas == (Quota("fresh", 1, 4),)
    assert request.weights == {"clicks": 1.5}
    assert (request.slots, request.seed, request.greedy, request.temperature) == (5, 11, False, 0.7)


def test_what_is_left_out_has_its_default() -> None:
    document = valid_document()
    bare = {key: document[key] for key in ("id", "user", "candidates")}
    for candidate in bare["candidates"]:
        del candidate["dedup_key"]
    request = parse_request(bare, CONTRACT)
    assert (request.slots, request.seed, request.greedy, request.temperature) == (
        None,
        None,
        None,
        None,
    )
    assert not request.pins and not request.spacing and not request.quotas and not request.weights
    assert request.dedup_keys is None


def test_more_slots_than_candidates_are_no_error() -> None:
    document = valid_document() | {"slots": MAX_SLOTS, "pins": {}}
    document["candidates"] = document["candidates"][:2]
    assert parse_request(document, CONTRACT).slots == MAX_SLOTS


def test_an_error_can_be_placed_inside_a_larger_document() -> None:
    error = RequestError("slots", 7, "must be smaller").within("requests[3]")
    assert error.field == "requests[3].slots"
    assert str(error) == "requests[3].slots: must be smaller, got 7"


def test_a_huge_value_does_not_make_a_huge_message() -> None:
    assert len(str(RequestError("f" * 10**6, "v" * 10**6, "must be short"))) < 400
