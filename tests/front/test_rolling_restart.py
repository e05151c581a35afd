"""SIGTERM under full load (GERANK_FRONT_RESTARTS rounds, 2 by default): no caller sees an error."""

from __future__ import annotations

import os
import socket
import threading
import time
from collections import Counter

import grpc
import pytest

from tests.front.call_bytes import RERANK, page
from tests.front.server_process import ServerProcess
from tests.server.counters import statistics_of
from tests.server.stand_in import StandIn

RESTARTS = int(os.environ.get("GERANK_FRONT_RESTARTS", "2"))
CALLERS = 4
PAUSE_S = 0.001  # of a caller; without it the callers alone take both cores of a small machine


class _Load:
    """Callers of one ordinary channel over several servers, without retries."""

    def __init__(self, addresses: list[str], policy: str) -> None:
        options = [
            ("grpc.lb_policy_name", policy),
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.min_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 200),
        ]
        self.outcomes: Counter[str] = Counter()
        self._channel = grpc.insecure_channel("ipv4:" + ",".join(addresses), options=options)
        self._ended = threading.Event()
        self._callers = [threading.Thread(target=self._call) for _ in range(CALLERS)]
        for caller in self._callers:
            caller.start()

    def end(self) -> None:
        """Returns when the last call was answered."""
        self._ended.set()
        for caller in self._callers:
            caller.join()
        self._channel.close()

    def _call(self) -> None:
        rerank = self._channel.unary_unary(RERANK)
        while not self._ended.is_set():
            try:
                rerank(page(), timeout=10)
                outcome = "answered"
            except grpc.RpcError as error:
                outcome = f"{error.code().name}: {error.details()}"
            self.outcomes[outcome] += 1
            time.sleep(PAUSE_S)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
    return port


def _await_calls(server: ServerProcess) -> None:
    """Returns when the load has reached a server."""
    end = time.monotonic() + 20
    with server.own_channel() as channel:
        while statistics_of(channel).answered < 20:
            assert time.monotonic() < end, "no call came to the server that was restarted"
            time.sleep(0.05)


@pytest.mark.parametrize("policy", ["pick_first", "round_robin"])
def test_no_caller_sees_that_a_server_is_restarted(model: StandIn, policy: str) -> None:
    """RFC 9113, 6.8: a server that ends gracefully SHOULD send an initial GOAWAY with the last
    stream identifier set to 2^31-1, and after a round trip one with the last stream that it
    serves. An ordinary grpcio client without retries then calls the other server, and loses no
    call. The two servers are terminated and started again in turn."""
    ports = [_free_port(), _free_port()]
    running = [ServerProcess(model.path, port=port) for port in ports]
    load = _Load([server.address for server in running], policy)
    try:
        _await_calls(running[0])
        for turn in range(RESTARTS):
            leaving = running[turn % 2]
            if policy == "round_robin":  # once its caller has found the server that came back
                _await_calls(running[1 - turn % 2])
            if policy == "round_robin" or turn > 0:
                _await_calls(leaving)
            assert leaving.terminate() == 0
            running[turn % 2] = ServerProcess(model.path, port=leaving.port)
    finally:
        load.end()
        for server in running:
            server.__exit__(None, None, None)
    assert set(load.outcomes) == {"answered"}, load.outcomes


def test_calls_that_wait_are_answered_before_the_end(model: StandIn) -> None:
    """The same rule for calls that the model has not reached: those that came before SIGTERM get
    their slates, and the process ends by itself."""
    with ServerProcess(model.path) as server, server.own_channel() as channel:
        rerank = channel.unary_unary(RERANK)
        model.reset()
        model.hold()
        calls = [rerank.future(page(), timeout=20) for _ in range(20)]
        model.await_forwards(1)
        end = time.monotonic() + 10
        with server.own_channel() as other:
            while statistics_of(other).accepted < 20:
                assert time.monotonic() < end
                time.sleep(0.01)
        threading.Timer(0.5, model.release).start()
        assert server.terminate() == 0
        assert all(call.result() for call in calls)


def test_nobody_need_read_what_the_server_tells(model: StandIn) -> None:
    """The reader of stdout has gone: SIGTERM still drains, and the exit status is 0."""
    with ServerProcess(model.path) as server, server.own_channel() as channel:
        model.reset()
        assert server.process.stdout is not None
        server.process.stdout.close()
        model.hold()
        calls = [channel.unary_unary(RERANK).future(page(), timeout=20) for _ in range(8)]
        model.await_forwards(1)
        time.sleep(0.3)  # until the others wait
        threading.Timer(0.5, model.release).start()
        assert server.terminate() == 0
        assert all(call.result() for call in calls)
