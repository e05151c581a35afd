"""Starting, loading, draining, stopping: what callers see of it."""

from __future__ import annotations

import contextlib
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

from gerank.client import RerankClient, ServerError
from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import (
    AddressError,
    Front,
    ModelRefusedError,
    OptionError,
    RerankServer,
    ServerOptions,
    listen,
    serve,
)
from gerank_server.servicer import SERVICE
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.counters import await_statistics
from tests.server.raw_calls import HEALTH, assert_stopped, health, rerank
from tests.server.stand_in import StandIn


def _await_refusal(client: RerankClient) -> None:
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            client.contract()
        except ServerError as error:
            assert error.code is grpc.StatusCode.UNAVAILABLE
            return
        time.sleep(0.002)
    raise AssertionError("the server still takes calls")


def test_health_follows_the_model(front: Front, model: StandIn) -> None:
    with (
        listen("127.0.0.1:0", front=front) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        assert health(channel) == health(channel, SERVICE) == HEALTH.NOT_SERVING
        server.load(model.path)
        assert health(channel) == health(channel, SERVICE) == HEALTH.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            health(channel, "no.such.Service")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_a_watcher_of_health_is_told_of_every_change(front: Front, model: StandIn) -> None:
    server = listen("127.0.0.1:0", front=front)
    with grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        watch = health_pb2_grpc.HealthStub(channel).Watch(
            health_pb2.HealthCheckRequest(), timeout=20
        )
        assert next(watch).status == HEALTH.NOT_SERVING
        server.load(model.path)
        assert next(watch).status == HEALTH.SERVING
        server.stop(0)
        with contextlib.suppress(grpc.RpcError):  # the connection may be closed before it is told
            assert next(watch).status == HEALTH.NOT_SERVING


def test_a_server_without_a_model_is_unavailable_and_says_why(front: Front, model: StandIn) -> None:
    with (
        listen("127.0.0.1:0", front=front) as server,
        RerankClient(f"127.0.0.1:{server.port}") as client,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        with pytest.raises(ServerError, match="still being loaded") as caught:
            client.rerank([valid_document()])
        assert caught.value.code is grpc.StatusCode.UNAVAILABLE
        error = rerank(channel).exception(timeout=10)
        assert error.code() is grpc.StatusCode.UNAVAILABLE and "loaded" in error.details()
        server.load(model.path)
        assert len(client.rerank([valid_document()])) == 1


def test_nobody_is_taken_before_the_model_is_loaded(front: Front, model: StandIn) -> None:
    """Callers of several servers go to another: this one refuses their connections."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        place = unused.getsockname()
    model.reset()
    model.hold()
    with ThreadPoolExecutor(1) as pool:
        started = pool.submit(serve, model.path, f"127.0.0.1:{place[1]}", front=front)
        try:
            model.await_forwards(1)  # its golden requests are answered while it is loaded
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection(place, timeout=5)
        finally:
            model.release()
        with (
            started.result(timeout=20) as server,
            RerankClient(f"127.0.0.1:{server.port}") as client,
        ):
            assert len(client.rerank([valid_document()])) == 1


def test_a_newly_loaded_model_answers_next(
    server: RerankServer, client: RerankClient, tmp_path: Path
) -> None:
    assert server.version() == "stand-in-1"
    server.load(StandIn(tmp_path, "other").path)
    assert server.version() == "other-1"
    [answer] = client.rerank([valid_document()])
    assert answer["model_version"] == "other-1"


def test_a_damaged_artifact_is_refused_and_the_old_one_serves_on(
    server: RerankServer, client: RerankClient, damaged: Path
) -> None:
    with pytest.raises(ModelRefusedError, match=str(damaged)):
        server.load(damaged)
    [answer] = client.rerank([valid_document()])
    assert answer["model_version"] == server.version() == "stand-in-1"


def test_a_model_that_is_not_served_is_not_found(channel: grpc.Channel) -> None:
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    asked = [pb.RerankRequest(queries=[query], model="ghost")]
    asked += [pb.RerankRequest(queries=[query], version="ghost-9")]
    for request in asked:
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(f"/{SERVICE}/Rerank")(request.SerializeToString(), timeout=10)
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        assert "ghost" in caught.value.details()
    named = pb.RerankRequest(queries=[query], model="default", version="stand-in-1")
    channel.unary_unary(f"/{SERVICE}/Rerank")(named.SerializeToString(), timeout=10)


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


def test_the_contract_can_be_asked_for(client: RerankClient, model: StandIn) -> None:
    assert client.contract() == CONTRACT
    assert client.contracts() == {model.model_version: CONTRACT}


def test_a_port_in_use_is_an_error_and_leaves_its_owner_alone(
    front: Front, server: RerankServer, client: RerankClient, model: StandIn
) -> None:
    taken = f"127.0.0.1:{server.port}"
    said = f"^address: cannot listen on {taken}: the port is in use"
    with pytest.raises(AddressError, match=said):
        serve(model.path, taken, front=front)
    assert len(client.rerank([valid_document()])) == 1


def test_a_host_that_is_nowhere_is_told_by_the_option(front: Front, model: StandIn) -> None:
    nowhere = "no-such-host.invalid:0"
    with pytest.raises(AddressError, match=f"^address: cannot listen on {nowhere}: "):
        serve(model.path, nowhere, front=front)


@pytest.mark.parametrize("option", ["workers", "max_batch", "max_queries", "max_queue"])
def test_an_option_out_of_its_range_is_named(front: Front, option: str) -> None:
    with pytest.raises(OptionError, match=rf"^{option}: .* got -?\d+$"):
        listen("127.0.0.1:0", ServerOptions(**{option: -3}), front)


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{unused.getsockname()[1]}"
        with RerankClient(address) as client, pytest.raises(ServerError, match=address) as caught:
            client.rerank([valid_document()])
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE


def test_draining_ends_calls_in_progress_and_takes_no_new_ones(
    front: Front, model: StandIn
) -> None:
    server = serve(model.path, "127.0.0.1:0", front=front)
    model.reset()
    address = f"127.0.0.1:{server.port}"
    model.hold()
    with (
        grpc.insecure_channel(address) as channel,
        RerankClient(address) as late,
        ThreadPoolExecutor(1) as pool,
    ):
        in_progress = [rerank(channel) for _ in range(3)]
        await_statistics(channel, accepted=3)
        stopped = pool.submit(server.stop, 20)
        _await_refusal(late)
        assert not stopped.done()
        model.release()
        for call in in_progress:
            assert len(pb.RerankResponse.FromString(call.result(timeout=10)).slates) == 1
        stopped.result(timeout=20)


def test_a_stop_without_grace_ends_what_waits_with_unavailable(
    front: Front, model: StandIn
) -> None:
    server = serve(model.path, "127.0.0.1:0", front=front)
    model.reset()
    model.hold()
    with (
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
        ThreadPoolExecutor(1) as pool,
    ):
        running = rerank(channel)
        model.await_forwards(1)
        waiting = rerank(channel)
        await_statistics(channel, accepted=2)
        stopped = pool.submit(server.stop, 0)
        assert waiting.exception(timeout=10).code() is grpc.StatusCode.UNAVAILABLE
        model.release()
        running.result(timeout=10)
        stopped.result(timeout=20)


def test_a_stopped_server_frees_its_port(front: Front, model: StandIn) -> None:
    first = serve(model.path, "127.0.0.1:0", front=front)
    first.stop()
    second = serve(model.path, f"127.0.0.1:{first.port}", front=front)
    assert second.port == first.port
    second.stop()


def test_a_server_can_be_stopped_twice(server: RerankServer) -> None:
    for _ in range(2):
        server.stop(1)
        assert_stopped(server)
    server.wait()  # comes back at once
