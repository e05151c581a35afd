"""Clients that watch health: whether they read, come or leave, loading and stopping go on."""

from __future__ import annotations

import contextlib
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import grpc

from gerank.proto import rerank_pb2 as pb
from gerank_server import Front, listen, serve
from tests.server.http2_client import ClientWithoutWindow
from tests.server.raw_calls import HEALTH, assert_stopped, health, own_channel, rerank, watch
from tests.server.stand_in import StandIn


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

    def come_and_go() -> int:
        """Tells how often it came and went."""
        times = 0
        with own_channel(server) as channel, contextlib.suppress(grpc.RpcError):
            while not ended.is_set():
                streams = [watch(channel) for _ in range(8)]
                for stream in streams:
                    next(stream)
                for stream in streams:
                    stream.cancel()
                times += 1
        return times

    with ThreadPoolExecutor(5) as pool:
        try:
            watchers = [pool.submit(come_and_go) for _ in range(3)]
            end = time.monotonic() + 2
            while time.monotonic() < end:
                pool.submit(server.load, model.path).result(timeout=10)
            with own_channel(server) as channel:
                answer = pb.RerankResponse.FromString(rerank(channel).result(timeout=10))
        finally:
            ended.set()
        assert all(watcher.result(timeout=10) > 0 for watcher in watchers)
        pool.submit(server.stop, 1).result(timeout=10)
    assert len(answer.slates) == 1
    assert_stopped(server)


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
            assert_stopped(server)
