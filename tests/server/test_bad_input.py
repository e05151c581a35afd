"""A malformed request gets INVALID_ARGUMENT, field and value; the server serves on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gerank.client import RerankClient, ServerError
from gerank.data.request import RequestError
from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from tests.data.bad_requests import BAD_DOCUMENTS, valid_document
from tests.data.request_cases import CONTRACT
from tests.server.stand_in import StandIn

INVALID = grpc.StatusCode.INVALID_ARGUMENT


def _valid() -> pb.Query:
    return query_from_request(parse_request(valid_document(), CONTRACT))


def _send(channel: grpc.Channel, payload: bytes) -> bytes:
    answer: bytes = channel.unary_unary("/gerank.v1.RerankService/Rerank")(payload, timeout=20)
    return answer


def _refusal(channel: grpc.Channel, payload: bytes) -> tuple[str, str]:
    """The field and the message with which the server refuses."""
    with pytest.raises(grpc.RpcError) as caught:
        _send(channel, payload)
    assert caught.value.code() is INVALID
    status = rpc_status.from_call(caught.value)
    bad_request = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad_request)
    [violation] = bad_request.field_violations
    assert violation.description == status.message == caught.value.details()
    return violation.field, violation.description


Spoil = Callable[[pb.Query], object]

BAD_QUERIES: dict[str, tuple[Spoil, str, str]] = {
    # what is wrong: how to make it so, the field of the error, the value as its message shows it
    "M of 0": (lambda q: q.ClearField("candidate_count"), "candidates", "got 0"),
    "M below 0": (lambda q: setattr(q, "candidate_count", -1), "candidates", "got -1"),
    "M above the limit": (
        lambda q: setattr(q, "candidate_count", 2**31 - 1),
        "candidates",
        "[1, 12], got 2147483647",
    ),
    "M other than the number of ids": (
        lambda q: setattr(q, "candidate_count", 7),
        "candidate_ids",
        "must be 7 ids, or none, got '8 ids'",
    ),
    "column too short": (
        lambda q: setattr(q.candidate_features[0], "float32_le", b"\0" * 60),
        "candidate_features[0] (score, price)",
        "'15 values'",
    ),
    "column that ends within a number": (
        lambda q: setattr(q.candidate_features[0], "float32_le", b"\0" * 63),
        "candidate_features[0].float32_le",
        "'63 bytes'",
    ),
    "user column of two values": (
        lambda q: setattr(q.user_features[0], "float32_le", b"\0" * 8),
        "user_features[0] (age)",
        "'2 values'",
    ),
    "column without values": (
        lambda q: q.candidate_features[0].ClearField("float32_le"),
        "candidate_features[0]",
        "exactly one of float32_le, int64_le, floats, ints, got []",
    ),
    "column with two kinds of values": (
        lambda q: q.candidate_features[0].floats.append(1),
        "candidate_features[0]",
        "['float32_le', 'floats']",
    ),
    "block without names": (
        lambda q: q.user_features.add(floats=[1]),
        "user_features[2].names",
        "[]",
    ),
    "feature given twice": (
        lambda q: q.user_features.add(names=["age"], floats=[1]),
        "user_features[2].names",
        "'age'",
    ),
    "missing feature": (lambda q: q.user_features.pop(0), "user.age", "['country']"),
    "unknown feature": (
        lambda q: q.candidate_features.add(names=["prise"], floats=[1] * 8),
        "candidates.prise",
        "'price'",
    ),
    "integers for an id as floats": (
        lambda q: q.user_features[1].CopyFrom(pb.FeatureBlock(names=["country"], floats=[1])),
        "user.country",
        "[1.0]",
    ),
    "NaN": (
        lambda q: q.user_features[0].CopyFrom(
            pb.FeatureBlock(names=["age"], floats=[float("nan")])
        ),
        "user.age",
        "nan",
    ),
    "too few ids": (lambda q: q.candidate_ids.pop(), "candidate_ids", "'7 ids'"),
    "duplicate id": (
        lambda q: q.candidate_ids.__setitem__(4, "item1"),
        "candidates[4].id",
        "'item1'",
    ),
    "slots below 0": (lambda q: setattr(q, "slots", -1), "slots", "[1, 6], got -1"),
    "slots above the limit": (lambda q: setattr(q, "slots", 7), "slots", "[1, 6], got 7"),
    "pin on a missing candidate": (
        lambda q: q.pins.add(slot=0, candidate=8),
        "pins.0",
        "[0, 7], got 8",
    ),
    "pin outside the slate": (lambda q: q.pins.add(slot=5, candidate=6), "pins.5", "got 5"),
    "two pins on one slot": (lambda q: q.pins.add(slot=1, candidate=6), "pins.1", "'item6'"),
    "two pins on one candidate": (lambda q: q.pins.add(slot=0, candidate=0), "pins.0", "'item0'"),
    "dedup keys too few": (
        lambda q: q.dedup_keys.CopyFrom(pb.DedupKeys(ints=[1, 2])),
        "dedup_keys",
        "'2 values'",
    ),
    "dedup presence too short": (
        lambda q: q.dedup_keys.CopyFrom(pb.DedupKeys(ints=range(8), present=[True])),
        "dedup_keys.present",
        "'1 values'",
    ),
    "dedup keys twice": (
        lambda q: q.dedup_keys.ints.append(1),
        "dedup_keys",
        "['int64_le', 'ints']",
    ),
    "window left out": (lambda q: q.spacing[0].ClearField("window"), "spacing[0].window", "got 0"),
    "unknown flag": (lambda q: setattr(q.quotas[0], "flag", "hot"), "quotas[0].flag", "'hot'"),
    "weight out of range": (lambda q: q.weights.update(clicks=9.0), "weights.clicks", "[0, 2]"),
    "weight NaN": (lambda q: q.weights.update(clicks=float("nan")), "weights.clicks", "nan"),
    "unknown mode": (lambda q: setattr(q, "mode", 9), "mode", "got 9"),
    "unknown preset": (lambda q: setattr(q, "preset", "calm"), "preset", "got 'calm'"),
    "temperature of 0": (lambda q: setattr(q, "temperature", 0.0), "temperature", "got 0.0"),
    "a name of a megabyte": (
        lambda q: q.weights.update({"w" * 10**6: 1.0}),
        "weights.www",
        "got 1.0",
    ),
}


@pytest.mark.parametrize("case", BAD_QUERIES)
def test_every_bad_query_is_refused_with_field_and_value(
    channel: grpc.Channel, model: StandIn, case: str
) -> None:
    spoil, field, shown = BAD_QUERIES[case]
    bad = _valid()
    spoil(bad)
    request = pb.RerankRequest(queries=[_valid(), bad])
    named, message = _refusal(channel, request.SerializeToString())
    assert named.startswith(f"queries[1].{field}")
    assert message.startswith(named) and shown in message
    assert model.forwards == 0
    _send(channel, pb.RerankRequest(queries=[_valid()]).SerializeToString())
    assert model.forwards == 1


def test_every_bad_document_is_refused_by_its_field_before_the_model_runs(
    client: RerankClient, model: StandIn
) -> None:
    for spoil, field, shown in BAD_DOCUMENTS.values():
        document = valid_document()
        spoil(document)
        with pytest.raises(RequestError) as caught:
            client.rerank([valid_document(), document])
        assert caught.value.field.startswith(f"requests[1].{field}")
        assert shown in str(caught.value)
    assert model.forwards == 0
    assert len(client.rerank([valid_document()])) == 1


@pytest.mark.parametrize("count", [0, 257, 100_000])
def test_the_number_of_queries_is_limited(channel: grpc.Channel, count: int) -> None:
    one = pb.RerankRequest(queries=[pb.Query()]).SerializeToString()
    field, message = _refusal(channel, one * count)
    assert field == "queries" and message.endswith(f"must be 1 to 256, got {count}")


def test_bytes_that_are_no_request_are_refused(channel: grpc.Channel) -> None:
    field, message = _refusal(channel, b"\xff" * 40)
    assert field == "request" and "40 other bytes" in message


def test_the_client_tells_the_fields_that_the_server_refused(client: RerankClient) -> None:
    request = parse_request(valid_document(), CONTRACT)
    object.__setattr__(request, "weights", {"clicks": 7.0})
    pages = [valid_document() | {"id": f"page-{number}"} for number in range(70)]
    with pytest.raises(RequestError, match=r"\[0, 2\], got 7\.0") as caught:
        client.rerank([*pages, request])
    assert caught.value.field == "requests[70].weights.clicks"  # in the second of two calls
    told = caught.value.__cause__
    assert isinstance(told, ServerError) and told.code is INVALID
    assert told.fields == ("queries[6].weights.clicks",)


def test_a_message_above_the_size_limit_is_refused(channel: grpc.Channel) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        _send(channel, b"\0" * (16 * 2**20 + 1))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED


def test_slots_out_of_range_are_told_with_the_artifacts_own(client: RerankClient) -> None:
    columns = parse_request(valid_document(), CONTRACT)
    for slots in (-1, 7):
        with pytest.raises(RequestError) as caught:
            client.rerank([replace(columns, slots=slots)])
        assert str(caught.value) == f"requests[0].slots: must be an integer in [1, 6], got {slots}"
    with pytest.raises(
        RequestError, match=r"^requests\[0\].slots: must be an integer of at least 1"
    ):
        client.rerank([replace(columns, slots=0)])
