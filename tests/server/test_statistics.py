"""Statistics tell of every query that came: also of those that the front itself refused."""

from __future__ import annotations

import grpc
import pytest

from gerank.proto import rerank_pb2 as pb
from gerank_server.servicer import SERVICE
from tests.server.counters import statistics_of
from tests.server.test_bad_input import _valid

GARBAGE = b"\xff\xff\xff\xff garbage"


def refused(channel: grpc.Channel, payload: bytes) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(f"/{SERVICE}/Rerank")(payload, timeout=20)
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_what_a_front_cannot_read_counts_as_malformed(channel: grpc.Channel) -> None:
    refused(channel, GARBAGE)
    assert statistics_of(channel).malformed == 1  # nobody can tell how many queries it holds
    refused(channel, pb.RerankRequest().SerializeToString())
    assert statistics_of(channel).malformed == 2
    spoiled = _valid()
    spoiled.candidate_features[0].float32_le = b"\0" * 63
    refused(channel, pb.RerankRequest(queries=[_valid(), spoiled]).SerializeToString())
    assert statistics_of(channel).malformed == 4


def test_too_many_queries_count_one_by_one(channel: grpc.Channel) -> None:
    refused(channel, pb.RerankRequest(queries=[pb.Query()] * 300).SerializeToString())
    assert statistics_of(channel).malformed == 300


def test_what_the_engine_refuses_counts_once(channel: grpc.Channel) -> None:
    spoiled = _valid()
    spoiled.slots = 7
    refused(channel, pb.RerankRequest(queries=[spoiled]).SerializeToString())
    found = statistics_of(channel)
    assert (found.malformed, found.accepted, found.refused) == (1, 0, 0)
