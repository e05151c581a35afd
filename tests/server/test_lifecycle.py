"""Starting, failing, expiring, draining: what callers see, and what never reaches the model."""

from __future__ import annotations

import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from gerank.client import RerankClient, ServerError
from gerank.data.request_json import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import AddressError, RerankServer, ServerOptions, serve
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.stand_in import StandIn

HEALTH = health_pb2.HealthCheckResponse
SERVICE = "gerank.v1.RerankService"


def _health(channel: grpc.Channel, service: str = "") -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10).status
    return status


def _start(channel: grpc.Channel, timeout_s: float = 20) -> grpc.Future:
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    payload = pb.RerankRequest(queries=[query]).SerializeToString()
    call: grpc.Future = channel.unary_unary(f"/{SERVICE}/Rerank").future(payload, timeout=timeout_s)
    return call


def test_health_follows_the_model() -> None:
    with (
        RerankServer("127.0.0.1:0") as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        assert _health(channel) == _health(channel, SERVICE) == HEALTH.NOT_SERVING
        server.publish(StandIn())
        assert _health(channel) == _health(channel, SERVICE) == HEALTH.SERVING


def test_a_server_without_a_model_is_unavailable_and_says_why() -> None:
    with (
        RerankServer("127.0.0.1:0") as server,
        RerankClient(f"127.0.0.1:{server.port}") as client,
    ):
        with pytest.raises(ServerError, match="still being loaded") as caught:
            client.rerank([valid_document()])
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        server.publish(StandIn())
        assert len(client.rerank([valid_document()])) == 1


def test_a_newly_published_model_answers_next(server: RerankServer, client: RerankClient) -> None:
    server.publish(StandIn(model_version="stand-in-2"))
    [answer] = client.rerank([valid_document()])
    assert answer["model_version"] == "stand-in-2"


def test_reflection_describes_the_service(channel: grpc.Channel) -> None:
    database = ProtoReflectionDescriptorDatabase(channel)
    assert {SERVICE, "grpc.health.v1.Health"} <= set(database.get_services())
    service = DescriptorPool(database).FindServiceByName(SERVICE)
    method = service.methods_by_name["Rerank"]
    assert method.input_type.full_name == "gerank.v1.RerankRequest"
    assert (
        "candidate_features"
        in method.input_type.fields_by_name["queries"].message_type.fields_by_name
    )


def test_the_contract_can_be_asked_for(client: RerankClient) -> None:
    assert client.contract() == CONTRACT


def test_a_port_in_use_is_an_error_and_leaves_its_owner_alone(
    server: RerankServer, client: RerankClient
) -> None:
    with pytest.raises(AddressError, match=f"127.0.0.1:{server.port}: the port is in use"):
        serve(StandIn(), f"127.0.0.1:{server.port}")
    assert len(client.rerank([valid_document()])) == 1


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with RerankClient(address) as client, pytest.raises(ServerError, match=address) as caught:
            client.rerank([valid_document()])
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


@pytest.mark.parametrize("end", ["deadline", "cancel"])
def test_a_call_that_ended_in_the_queue_never_reaches_the_model(model: StandIn, end: str) -> None:
    model.gate.clear()
    with (
        serve(model, "127.0.0.1:0", ServerOptions(workers=2)) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        first = _start(channel)
        assert model.entered.wait(10)
        while model.read.acquire(blocking=False):
            pass
        second = _start(channel, timeout_s=0.5 if end == "deadline" else 20)
        assert model.read.acquire(timeout=10)
        if end == "cancel":
            second.cancel()
        else:
            assert second.exception(timeout=10).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        # The first call holds one of two workers: this one is answered when the second is dropped.
        assert _health(channel) == HEALTH.SERVING
        model.gate.set()
        first.result(timeout=10)
        _start(channel).result(timeout=10)
    assert model.forwards == 2


def test_a_failure_inside_is_logged_and_not_sent(
    client: RerankClient, model: StandIn, caplog: pytest.LogCaptureFixture
) -> None:
    model.failure = RuntimeError("the secret of the house")
    with caplog.at_level(logging.ERROR), pytest.raises(ServerError) as caught:
        client.rerank([valid_document()])
    assert caught.value.code is grpc.StatusCode.INTERNAL
    assert "secret" not in str(caught.value) and "secret" in caplog.text
    request_id = str(caught.value).split()[-1]
    assert request_id in caplog.text
    model.failure = None
    assert len(client.rerank([valid_document()])) == 1


def test_draining_ends_calls_in_progress_and_takes_no_new_ones(model: StandIn) -> None:
    server = serve(model, "127.0.0.1:0")
    address = f"127.0.0.1:{server.port}"
    model.gate.clear()
    with grpc.insecure_channel(address) as channel, ThreadPoolExecutor(1) as pool:
        in_progress = [_start(channel) for _ in range(3)]
        assert model.entered.wait(10)
        assert _health(channel) == HEALTH.SERVING  # so the three have arrived
        stopped = pool.submit(server.stop, 20)
        with RerankClient(address) as late:
            refused = threading.Event()
            while not refused.wait(0.01):
                try:
                    late.contract()
                except ServerError as error:
                    assert error.code is grpc.StatusCode.UNAVAILABLE
                    refused.set()
        assert not stopped.done()
        model.gate.set()
        for call in in_progress:
            assert len(pb.RerankResponse.FromString(call.result(timeout=10)).slates) == 1
        stopped.result(timeout=20)
    assert model.forwards == 3


def test_a_stopped_server_frees_its_port() -> None:
    first = serve(StandIn(), "127.0.0.1:0")
    first.stop()
    second = serve(StandIn(), f"127.0.0.1:{first.port}")
    assert second.port == first.port
    second.stop()
