"""Both fronts end a call with the same status, in the same words, whatever they are sent."""

from __future__ import annotations

import random
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import Front, serve
from gerank_server.native import is_built
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.mutations import mutated, spoiled
from tests.server.stand_in import StandIn
from tests.server.test_bad_input import BAD_QUERIES

pytestmark = pytest.mark.skipif(not is_built(), reason="the native front is not built")

RANDOM_REQUESTS = 400


@pytest.fixture(scope="module")
def fronts(built_model: StandIn) -> Iterator[list[grpc.Channel]]:
    """A channel to each front, over one artifact."""
    built_model.release()
    built_model.fail(False)
    servers = [serve(built_model.path, "127.0.0.1:0", front=front) for front in Front]
    channels = [grpc.insecure_channel(f"127.0.0.1:{server.port}") for server in servers]
    yield channels
    for channel, server in zip(channels, servers, strict=True):
        channel.close()
        server.stop(1)


def _query() -> pb.Query:
    return query_from_request(parse_request(valid_document(), CONTRACT))


def _outcome(channel: grpc.Channel, payload: bytes) -> tuple[str, ...] | pb.RerankResponse:
    """What a caller can tell of the end of a call; the times are left out."""
    try:
        answer = channel.unary_unary("/gerank.v1.RerankService/Rerank")(payload, timeout=30)
    except grpc.RpcError as error:
        return (error.code().name, error.details(), *_violations(error))
    response = pb.RerankResponse.FromString(answer)
    response.ClearField("timing")
    return response


def _violations(error: grpc.RpcError) -> list[str]:
    status = rpc_status.from_call(error)
    found = []
    for packed in status.details if status else ():
        bad_request = error_details_pb2.BadRequest()
        assert packed.Unpack(bad_request)
        found += [f"{v.field} | {v.description}" for v in bad_request.field_violations]
    return found


def _draws_a_seed(payload: bytes) -> bool:
    """Whether each front answers with a seed of its own."""
    queries = pb.RerankRequest.FromString(payload).queries
    return any(query.mode == pb.MODE_SAMPLE and not query.HasField("seed") for query in queries)


@pytest.mark.parametrize("case", BAD_QUERIES)
def test_a_bad_query_is_refused_in_the_same_words(fronts: list[grpc.Channel], case: str) -> None:
    bad = _query()
    BAD_QUERIES[case][0](bad)
    payload = pb.RerankRequest(queries=[_query(), bad]).SerializeToString()
    native, python = (_outcome(channel, payload) for channel in fronts)
    assert native == python
    assert isinstance(native, tuple) and native[0] == "INVALID_ARGUMENT" and len(native) == 3


def test_mutated_requests_end_alike(fronts: list[grpc.Channel], seed: int) -> None:
    rng = random.Random(seed)
    whole = pb.RerankRequest(queries=[_query()]).SerializeToString()
    answered = 0
    for _ in range(RANDOM_REQUESTS):
        payload = mutated(rng, whole)
        if rng.random() < 0.4:
            payload = pb.RerankRequest(queries=[spoiled(rng, _query())]).SerializeToString()
        native, python = (_outcome(channel, payload) for channel in fronts)
        if isinstance(native, pb.RerankResponse) and isinstance(python, pb.RerankResponse):
            answered += 1
            if _draws_a_seed(payload):
                continue
        assert native == python, payload.hex()
    assert 0 < answered < RANDOM_REQUESTS


def test_describe_tells_the_same(fronts: list[grpc.Channel]) -> None:
    native, python = (
        channel.unary_unary("/gerank.v1.RerankService/Describe")(b"", timeout=20)
        for channel in fronts
    )
    assert native == python
