"""What a client sends and gets is what was meant: JSON -> Request -> bytes -> the model's batch."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given

from gerank.data.collate_requests import collate_requests
from gerank.data.request import Request, RequestError
from gerank.data.request_check import parse_request
from gerank.data.slate import Slate
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank.wire.slate import slate_from_message
from tests.data.request_cases import CONTRACT, Document, documents
from tests.wire.looking_engine import LookingEngine


@pytest.fixture(scope="module")
def engine() -> Iterator[LookingEngine]:
    with LookingEngine() as running:
        yield running


@given(document=documents())
def test_a_request_survives_the_wire(engine: LookingEngine, document: Document) -> None:
    request = parse_request(document, CONTRACT)
    query = query_from_request(request)
    query.seed = request.seed or 0  # else one is drawn
    payload = pb.RerankRequest(queries=[query]).SerializeToString()
    response = pb.RerankResponse.FromString(engine.native.serve(payload).rank())
    for name, meant in collate_requests([request], CONTRACT)._asdict().items():
        assert np.array_equal(meant.numpy(), engine.batch[name]), name
    [slate] = response.slates
    assert slate.id == str(request.id)
    chosen = [str(request.candidate_ids[index]) for index in slate.candidates]
    assert list(slate.candidate_ids) == chosen and chosen


def test_a_slate_survives_the_wire() -> None:
    slate = Slate(
        slots=(0, 2, 3),
        candidates=(2, 0, 1),
        log_prob=(0.0, -0.5, -2.0),
        relaxed=((), ("spacing",), ("spacing", "quotas")),
        seed=2**64 - 1,
        model_version="v7",
    )
    message = pb.Slate(
        slots=slate.slots,
        candidates=slate.candidates,
        candidate_ids=["c", "a", "b"],
        log_prob=slate.log_prob,
        relaxed=[
            pb.RelaxedSlot(slot=2, rules=[pb.RULE_SPACING]),
            pb.RelaxedSlot(slot=3, rules=[pb.RULE_SPACING, pb.RULE_QUOTAS]),
        ],
        seed=slate.seed,
        model_version=slate.model_version,
    )
    assert slate_from_message(pb.Slate.FromString(message.SerializeToString())) == slate


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
