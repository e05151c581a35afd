"""JSON -> Request -> message -> Request loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given

from gerank.data.collate_requests import collate_requests
from gerank.data.request import Request, RequestError
from gerank.data.request_check import check_request
from gerank.data.request_json import parse_request
from gerank.data.slate import Slate
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request, request_from_query
from gerank.wire.slate import message_from_slate, slate_from_message
from tests.data.request_cases import CONTRACT, Document, documents


@given(documents())
def test_a_request_survives_the_wire(document: Document) -> None:
    request = parse_request(document, CONTRACT)
    payload = query_from_request(request).SerializeToString()
    arrived = request_from_query(pb.Query.FromString(payload), CONTRACT)
    check_request(arrived, CONTRACT)
    for field, sent, received in zip(
        collate_requests([request], CONTRACT)._fields,
        collate_requests([request], CONTRACT),
        collate_requests([arrived], CONTRACT),
        strict=True,
    ):
        assert torch.equal(sent, received), field
    assert arrived.id == str(request.id)
    assert arrived.candidate_ids == tuple(map(str, request.candidate_ids))
    for name in (
        "preset",
        "slots",
        "pins",
        "spacing",
        "quotas",
        "weights",
        "seed",
        "greedy",
        "temperature",
    ):
        assert getattr(arrived, name) == getattr(request, name), name


def test_a_slate_survives_the_wire() -> None:
    slate = Slate(
        slots=(0, 2, 3),
        candidates=(2, 0, 1),
        log_prob=(0.0, -0.5, -2.0),
        relaxed=((), ("spacing",), ("spacing", "quotas")),
        seed=2**64 - 1,
        model_version="v7",
    )
    request = Request("page", ("a", "b", "c"))
    message = pb.Slate.FromString(message_from_slate(request, slate).SerializeToString())
    assert slate_from_message(message) == slate
    assert list(message.candidate_ids) == ["c", "a", "b"]
    assert [entry.slot for entry in message.relaxed] == [2, 3]


@pytest.mark.parametrize(
    ("column", "rule"),
    [
        (np.zeros(3), "2 values"),
        (np.zeros((2, 1)), "2 values"),
        (np.array(["a", "b"]), "64-bit"),
        (np.array([2**63, 0], np.uint64), "64-bit"),
        (np.array([2**70, 0], object), "64-bit"),
    ],
)
def test_a_column_that_the_wire_cannot_hold_is_refused(
    column: np.ndarray[tuple[int, ...], np.dtype[np.generic]], rule: str
) -> None:
    request = Request("page", ("a", "b"), candidates={"score": column})
    with pytest.raises(RequestError, match=rule) as caught:
        query_from_request(request)
    assert caught.value.field == "candidates.score"
