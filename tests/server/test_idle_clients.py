"""Clients that rest, leave or do not read: the front in Python serves all others as before."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from gerank.client import RerankClient
from gerank_server import Front, RerankServer, ServerOptions, serve
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.http2_client import ClientWithoutWindow
from tests.server.raw_calls import (
    HEALTH,
    RERANK,
    health,
    own_channel,
    reflect,
    rerank,
    retry_delay_s,
    unsent,
    watch,
)
from tests.server.stand_in import StandIn

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def front() -> Front:
    return Front.GRPCIO


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
    options = ServerOptions(max_queue=2, max_queries=2, threads=2)
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
