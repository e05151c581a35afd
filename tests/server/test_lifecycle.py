"""Starting, failing, expiring, draining: what callers see, and what never reaches the model."""

from __future__ import annotations

import contextlib
import logging
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pool import DescriptorPool
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status

from gerank.client import RerankClient, ServerError
from gerank.data.request_json import parse_request
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


def _statistics(channel: grpc.Channel) -> pb.StatisticsResponse:
    answer = channel.unary_unary(f"/{SERVICE}/Statistics")(b"", timeout=10)
    return pb.StatisticsResponse.FromString(answer)


def _await_statistics(channel: grpc.Channel, **counts: int) -> None:
    """Returns when the server's counters are these; they follow an answer by a moment."""
    end = time.monotonic() + 10
    while True:
        statistics = _statistics(channel)
        found = {name: getattr(statistics, name) for name in counts}
        if found == counts:
            return
        assert time.monotonic() < end, f"{found}, not {counts}"
        time.sleep(0.002)


def _await_ended(channel: grpc.Channel, count: int) -> None:
    """Returns when so many calls ended in the queue. A caller whose deadline passes hangs up too:
    the server may see either first."""
    end = time.monotonic() + 10
    while (found := _statistics(channel)).expired + found.cancelled != count:
        assert time.monotonic() < end, f"{found.expired} expired, {found.cancelled} cancelled"
        time.sleep(0.002)


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
        assert _health(channel) == _health(channel, SERVICE) == HEALTH.NOT_SERVING
        server.load(model.path)
        assert _health(channel) == _health(channel, SERVICE) == HEALTH.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            _health(channel, "no.such.Service")
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
        error = _start(channel).exception(timeout=10)
        assert error.code() is grpc.StatusCode.UNAVAILABLE and "loaded" in error.details()
        server.load(model.path)
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


def test_the_contract_can_be_asked_for(client: RerankClient) -> None:
    assert client.contract() == CONTRACT


def test_a_port_in_use_is_an_error_and_leaves_its_owner_alone(
    front: Front, server: RerankServer, client: RerankClient, model: StandIn
) -> None:
    with pytest.raises(AddressError, match=f"127.0.0.1:{server.port}: the port is in use"):
        serve(model.path, f"127.0.0.1:{server.port}", front=front)
    assert len(client.rerank([valid_document()])) == 1


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


@pytest.mark.parametrize("end", ["deadline", "cancel"])
def test_a_call_that_ended_in_the_queue_never_reaches_the_model(
    channel: grpc.Channel, model: StandIn, end: str
) -> None:
    model.hold()
    first = _start(channel)
    model.await_forwards(1)
    second = _start(channel, timeout_s=0.5 if end == "deadline" else 20)
    _await_statistics(channel, accepted=2)
    if end == "cancel":
        second.cancel()
        _await_statistics(channel, cancelled=1, expired=0)
    else:
        assert second.exception(timeout=10).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        _await_ended(channel, 1)
    model.release()
    first.result(timeout=10)
    _start(channel).result(timeout=10)
    assert model.forwards == 2
    _await_statistics(channel, accepted=3, answered=2, batches=2, queued=0, running=0)


def test_a_full_queue_refuses_and_tells_when_to_come_again(front: Front, model: StandIn) -> None:
    options = ServerOptions(max_queue=2, max_queries=2)
    with (
        serve(model.path, "127.0.0.1:0", options, front) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        model.reset()
        model.hold()
        running = _start(channel)
        model.await_forwards(1)
        waiting = [_start(channel) for _ in range(2)]
        _await_statistics(channel, queued=2)
        error = _start(channel).exception(timeout=10)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        [packed] = rpc_status.from_call(error).details
        retry = error_details_pb2.RetryInfo()
        assert packed.Unpack(retry)
        assert 0 < retry.retry_delay.ToMicroseconds() < 60e6
        model.release()
        for call in (running, *waiting):
            assert len(pb.RerankResponse.FromString(call.result(timeout=10)).slates) == 1
        _start(channel).result(timeout=10)
        _await_statistics(channel, refused=1, answered=4)


def test_a_failure_inside_is_logged_and_not_sent(
    client: RerankClient,
    model: StandIn,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model.fail(True)
    with caplog.at_level(logging.ERROR), pytest.raises(ServerError) as caught:
        client.rerank([valid_document()])
    assert caught.value.code is grpc.StatusCode.INTERNAL
    logged = caplog.text + capfd.readouterr().err
    assert "secret" not in str(caught.value) and "secret" in logged
    request_id = str(caught.value).split()[-1]
    assert request_id in logged
    model.fail(False)
    assert len(client.rerank([valid_document()])) == 1


@pytest.mark.parametrize("candidate", [999, -7])
def test_an_answer_that_is_no_slate_of_the_request_is_a_failure_inside(
    client: RerankClient,
    model: StandIn,
    candidate: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model.answer_wrongly(candidate)
    for _ in range(3):
        with pytest.raises(ServerError) as caught:
            client.rerank([valid_document(), valid_document()])
        assert caught.value.code is grpc.StatusCode.INTERNAL
    fault = f"candidate {candidate} at slot 0, which the request does not have"
    assert fault in caplog.text + capfd.readouterr().err
    model.answer_wrongly(0)
    assert len(client.rerank([valid_document()])) == 1


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
        in_progress = [_start(channel) for _ in range(3)]
        _await_statistics(channel, accepted=3)
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
        running = _start(channel)
        model.await_forwards(1)
        waiting = _start(channel)
        _await_statistics(channel, accepted=2)
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
    server.stop(1)
    server.stop(1)
    server.wait()
