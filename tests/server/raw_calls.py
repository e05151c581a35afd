"""Calls of the service, of health and of reflection, as any client of gRPC makes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import RerankServer
from gerank_server.servicer import SERVICE
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT

HEALTH = health_pb2.HealthCheckResponse
RERANK = f"/{SERVICE}/Rerank"


def own_channel(server: RerankServer) -> grpc.Channel:
    """A connection that it shares with no other channel of this process."""
    alone = (("grpc.use_local_subchannel_pool", 1),)
    return grpc.insecure_channel(f"127.0.0.1:{server.port}", options=alone)


def health(channel: grpc.Channel, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status
    return status


def assert_stopped(server: RerankServer) -> None:
    """Nobody is served at its port any more."""
    with own_channel(server) as channel, pytest.raises(grpc.RpcError) as caught:
        health(channel)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


def watch(channel: grpc.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=30)


def reflect(channel: grpc.Channel, rest: threading.Event) -> Any:
    """A reflection stream that asks once and then rests."""

    def requests() -> Iterator[reflection_pb2.ServerReflectionRequest]:
        yield reflection_pb2.ServerReflectionRequest(list_services="")
        rest.wait(30)

    return reflection_pb2_grpc.ServerReflectionStub(channel).ServerReflectionInfo(requests())


def unsent(channel: grpc.Channel, method: str, rest: threading.Event) -> grpc.Future:
    """A call whose message does not come."""

    def requests() -> Iterator[bytes]:
        rest.wait(30)
        yield from ()

    call: grpc.Future = channel.stream_unary(method).future(requests())
    return call


def rerank(channel: grpc.Channel, timeout_s: float = 20) -> grpc.Future:
    """A call with one page, which has begun."""
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    payload = pb.RerankRequest(queries=[query]).SerializeToString()
    call: grpc.Future = channel.unary_unary(RERANK).future(payload, timeout=timeout_s)
    return call


def retry_delay_s(error: Any) -> float:
    """What a refusal says of when to come again."""
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED, error
    status = rpc_status.from_call(error)
    assert status is not None, f"no details: {error.details()}"
    [packed] = status.details
    retry = error_details_pb2.RetryInfo()
    assert packed.Unpack(retry)
    delay: float = retry.retry_delay.ToMicroseconds() / 1e6
    return delay
