"""Clients that rest, leave or do not read: the front in Python serves all others as before."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from grpc_status import rpc_status

from gerank.client import RerankClient
from gerank.data.request_json import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import Front, RerankServer, ServerOptions, listen, serve
from gerank_server.call_threads import CallThreads
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.http2_client import ClientWithoutWindow
from tests.server.stand_in import StandIn

HEALTH = health_pb2.HealthCheckResponse
RERANK = "/gerank.v1.RerankService/Rerank"
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def front() -> Front:
    return Front.GRPCIO


def own_channel(server: RerankServer) -> grpc.Channel:
    """A connection that it shares with no other channel of this process."""
    alone = (("grpc.use_local_subchannel_pool", 1),)
    return grpc.insecure_channel(f"127.0.0.1:{server.port}", options=alone)


def health(channel: grpc.Channel) -> int:
    stub = health_pb2_grpc.HealthStub(channel)
    status: int = stub.Check(health_pb2.HealthCheckRequest(), timeout=5).status
    return status


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


def rerank(channel: grpc.Channel) -> grpc.Future:
    query = query_from_request(parse_request(valid_document(), CONTRACT))
    payload = pb.RerankRequest(queries=[query]).SerializeToString()
    call: grpc.Future = channel.unary_unary(RERANK).future(payload, timeout=20)
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


def test_streams_and_calls_that_rest_keep_nobody_waiting(
    server: RerankServer, client: RerankClient
) -> None:
    rest = threading.Event()
    with own_channel(server) as channel, own_channel(server) as other:
        resting = [reflect(channel, rest) for _ in range(40)]
        resting += [watch(channel) for _ in range(40)]
        for stream in resting:
            next(stream)
        for method in (RERANK, "/grpc.health.v1.Health/Check"):
            resting += [unsent(channel, method, rest) for _ in range(40)]
        time.sleep(0.2)  # until the server has seen them
        assert health(other) == HEALTH.SERVING
        assert len(client.rerank([valid_document()])) == 1
        assert client.contract() == CONTRACT
        assert next(watch(other)).status == HEALTH.SERVING
        rest.set()
        for call in resting:
            call.cancel()


def test_full_load_is_refused_with_the_time_to_come_again_and_health_answers(
    model: StandIn,
) -> None:
    options = ServerOptions(max_queue=2, max_queries=2, front_threads=2)
    with serve(model.path, "127.0.0.1:0", options, Front.GRPCIO) as server:
        model.reset()
        model.hold()
        with own_channel(server) as channel:
            calls = [rerank(channel) for _ in range(40)]
            try:
                end = time.monotonic() + 10
                while sum(call.done() for call in calls) < 30:
                    assert time.monotonic() < end
                    time.sleep(0.01)
                assert health(channel) == HEALTH.SERVING
            finally:
                model.release()
            errors = [error for call in calls if (error := call.exception(timeout=10))]
        assert len(errors) >= 30
        assert all(0 < retry_delay_s(error) < 60 for error in errors)


def test_more_streams_than_may_be_open_are_refused_with_the_time_to_come_again(
    model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gerank_server.grpcio._MOST_STREAMS", 3)
    rest = threading.Event()
    with (
        serve(model.path, "127.0.0.1:0", front=Front.GRPCIO) as server,
        own_channel(server) as channel,
    ):
        streams = [watch(channel), watch(channel), reflect(channel, rest)]
        for stream in streams:
            next(stream)
        for refused in (watch(channel), reflect(channel, rest)):
            with pytest.raises(grpc.RpcError) as caught:
                next(refused)
            assert 0 < retry_delay_s(caught.value) < 60
        rerank(channel).result(timeout=10)
        streams[0].cancel()
        _await_no_error(lambda: next(watch(channel)))
        rest.set()


def test_more_calls_than_there_are_threads_are_refused_with_the_time_to_come_again(
    model: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gerank_server.grpcio._MOST_THREADS", 5)
    rest = threading.Event()
    with (
        serve(model.path, "127.0.0.1:0", front=Front.GRPCIO) as server,
        own_channel(server) as channel,
    ):
        resting = [unsent(channel, RERANK, rest) for _ in range(5)]
        time.sleep(0.3)  # until the server has seen them
        errors = [rerank(channel).exception(timeout=10) for _ in range(10)]
        assert all(0 < retry_delay_s(error) < 60 for error in errors)
        rest.set()
        for call in resting:
            call.cancel()
        _await_no_error(lambda: rerank(channel).result(timeout=10))


def _await_no_error(action: Any) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            action()
        except grpc.RpcError:
            assert time.monotonic() < end
            time.sleep(0.02)
        else:
            return


def test_a_watcher_that_does_not_read_keeps_nobody_from_being_told(model: StandIn) -> None:
    server = listen("127.0.0.1:0", front=Front.GRPCIO)
    with (
        ClientWithoutWindow(server.port) as deaf,
        own_channel(server) as channel,
        ThreadPoolExecutor(2) as pool,
    ):
        for _ in range(3):
            deaf.call("/grpc.health.v1.Health/Watch", b"")
        time.sleep(0.2)  # until the server has seen them
        told = watch(channel)
        assert next(told).status == HEALTH.NOT_SERVING
        pool.submit(server.load, model.path).result(timeout=10)
        assert next(told).status == HEALTH.SERVING
        assert health(channel) == HEALTH.SERVING
        pool.submit(server.stop, 1).result(timeout=10)


def test_watchers_that_come_and_go_do_not_halt_reloads(model: StandIn) -> None:
    server = serve(model.path, "127.0.0.1:0", front=Front.GRPCIO)
    ended = threading.Event()

    def come_and_go() -> None:
        with own_channel(server) as channel, contextlib.suppress(grpc.RpcError):
            while not ended.is_set():
                streams = [watch(channel) for _ in range(8)]
                for stream in streams:
                    next(stream)
                for stream in streams:
                    stream.cancel()

    with ThreadPoolExecutor(5) as pool:
        try:
            for _ in range(3):
                pool.submit(come_and_go)
            end = time.monotonic() + 2
            while time.monotonic() < end:
                pool.submit(server.load, model.path).result(timeout=10)
            with own_channel(server) as channel:
                rerank(channel).result(timeout=10)
        finally:
            ended.set()
        pool.submit(server.stop, 1).result(timeout=10)


def test_watchers_that_leave_at_the_moment_of_a_stop_do_not_halt_it(model: StandIn) -> None:
    with ThreadPoolExecutor(1) as pool:
        for _ in range(6):
            server = serve(model.path, "127.0.0.1:0", front=Front.GRPCIO)
            with own_channel(server) as channel:
                streams = [watch(channel) for _ in range(6)]
                for stream in streams:
                    next(stream)
                for stream in streams:
                    stream.cancel()
                pool.submit(server.stop, 1).result(timeout=10)


_SERVED_WITH_FEW_DESCRIPTORS = """
import resource, sys
from pathlib import Path
from gerank_server import Front, serve

with serve(Path(sys.argv[1]), "127.0.0.1:0", front=Front.GRPCIO) as server:
    resource.setrlimit(resource.RLIMIT_NOFILE, (96, 96))
    print(server.port, flush=True)
    sys.stdin.read()
"""


def test_connections_are_taken_again_once_descriptors_return(model: StandIn) -> None:
    with _python(_SERVED_WITH_FEW_DESCRIPTORS, model.path) as process:
        port = int(process.stdout.readline())  # type: ignore[union-attr]
        held = [ClientWithoutWindow(port) for _ in range(150)]
        time.sleep(1)
        descriptors = list(Path(f"/proc/{process.pid}/fd").iterdir())
        assert len(descriptors) >= 90, "the server has descriptors left: nothing is tested"
        for connection in held:
            connection.__exit__(None, None, None)
        with RerankClient(f"127.0.0.1:{port}", timeout_s=15) as client:
            assert len(client.rerank([valid_document()])) == 1


_SERVED_AND_NOT_STOPPED = """
import sys
from pathlib import Path
from gerank_server import Front, serve

server = serve(Path(sys.argv[1]), "127.0.0.1:0", front=Front.GRPCIO)
print(server.port, flush=True)
sys.stdin.readline()
"""


def test_a_watcher_does_not_keep_a_process_from_its_end(model: StandIn) -> None:
    with _python(_SERVED_AND_NOT_STOPPED, model.path) as process:
        assert process.stdout is not None and process.stdin is not None
        with grpc.insecure_channel(f"127.0.0.1:{int(process.stdout.readline())}") as channel:
            stream = watch(channel)
            assert next(stream).status == HEALTH.SERVING
            process.stdin.close()  # the process comes to its end
            assert process.wait(timeout=10) == 0


@contextlib.contextmanager
def _python(code: str, *arguments: object) -> Iterator[subprocess.Popen[str]]:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "server")])
    with subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_threads_are_lent_again_and_are_not_more_than_calls() -> None:
    threads = CallThreads(most=3)
    used = {threads.submit(threading.get_ident).result(timeout=5) for _ in range(20)}
    assert len(used) <= 2
    gate = threading.Event()
    held = [threads.submit(gate.wait, 10) for _ in range(3)]
    assert threads.full
    gate.set()
    assert all(future.result(timeout=5) for future in held)
    assert not threads.full
    with pytest.raises(ZeroDivisionError):
        threads.submit(lambda: 1 / 0).result(timeout=5)
