"""The front in Python: grpcio over the same engine, for places where grpc++ is not."""

from __future__ import annotations

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

import gerank.ops  # noqa: F401  libtorch and libgerank must be there before the engine
from gerank._engine import Engine, Ranker, StatusError
from gerank_server.options import AddressError, ModelRefusedError, OptionError, ServerOptions
from gerank_server.servicer import SERVICE, RerankServicer

_DEFAULT_THREADS = 16
_QUIET_S = 0.1


class GrpcioServer:
    """gerank.v1.RerankService on grpcio, with grpc.health.v1 and server reflection.

    Listens from the moment it is made; answers UNAVAILABLE until a model is loaded. Used as a
    context manager, it stops at the end of the block. Thread-safe.

    Attributes:
        port: The one it listens on, also where the address asked for port 0.
    """

    def __init__(self, address: str, options: ServerOptions | None = None) -> None:
        """Starts to listen.

        Args:
            address: `host:port`; port 0 takes a free one.
            options: None = the defaults.

        Raises:
            AddressError: The port is in use, or the address is not one of this machine.
            OptionError: An option is out of its range.
        """
        options = options or ServerOptions()
        self._engine = _start_engine(options)
        self._servicer = RerankServicer(self._engine, options.max_queries)
        self._health = health.HealthServicer()
        self._server = _new_server(options, self._servicer)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self._report(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._stopping = threading.Lock()
        self.port = self._listen(address)

    def load(self, path: Path, name: str = "default") -> None:
        """Lets an artifact answer under `name` from now on; calls in progress keep the old one.

        Raises:
            ModelRefusedError: The file did not pass its checks; what answered before answers on.
        """
        try:
            self._engine.publish(name, Ranker.load(os.fsencode(path)))
        except StatusError as error:
            raise ModelRefusedError(str(error)) from error
        self._report(health_pb2.HealthCheckResponse.SERVING)

    def version(self, name: str = "default") -> str:
        """The model version that answers under `name`; empty where there is none."""
        ranker = self._engine.find(name)
        return ranker.model_version if ranker is not None else ""

    def stop(self, grace_s: float = 10.0) -> None:
        """Drains: refuses new calls, lets those in progress end, returns when all have.

        Args:
            grace_s: After so many seconds the calls that still wait get UNAVAILABLE.
        """
        with self._stopping:
            end = time.monotonic() + grace_s + _QUIET_S
            self._servicer.drain()
            self._health.enter_graceful_shutdown()
            self._engine.stop(grace_s)
            self._await_quiet(end)
            self._server.stop(_QUIET_S).wait()

    def wait(self) -> None:
        """Blocks until the server has stopped."""
        self._server.wait_for_termination()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def _listen(self, address: str) -> int:
        try:
            port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            reason = "the port is in use, or the address is not one of this machine"
            raise AddressError(f"cannot listen on {address}: {reason}") from error
        self._server.start()
        return port

    def _await_quiet(self, end: float) -> None:
        """Until callers have heard that we leave: none is open, and for a while none came."""
        seen, since = self._servicer.arrived, time.monotonic()
        while (now := time.monotonic()) < end and now - since < _QUIET_S:
            time.sleep(0.002)
            if self._servicer.open_calls > 0 or self._servicer.arrived != seen:
                seen, since = self._servicer.arrived, time.monotonic()

    def _report(self, status: int) -> None:
        for service in ("", SERVICE, health.SERVICE_NAME):
            self._health.set(service, status)


def _start_engine(options: ServerOptions) -> Engine:
    try:
        return Engine(
            workers=options.workers,
            intra_op_threads=options.intra_op_threads,
            max_batch=options.max_batch,
            max_batch_candidates=options.max_batch_candidates,
            max_delay_us=options.max_delay_us,
            max_queue=options.max_queue,
            max_queries=options.max_queries,
        )
    except StatusError as error:
        raise OptionError(str(error)) from error


def _new_server(options: ServerOptions, servicer: RerankServicer) -> grpc.Server:
    threads = options.front_threads or _DEFAULT_THREADS
    return grpc.server(
        ThreadPoolExecutor(threads, thread_name_prefix="gerank"),
        handlers=[servicer.handlers()],
        options=(
            ("grpc.so_reuseport", 0),  # else a second server would share the port unnoticed
            ("grpc.max_receive_message_length", options.max_message_bytes),
            ("grpc.max_concurrent_streams", options.max_calls_per_connection),
        ),
        # Beyond the engine's queue calls would pile up before it; grpcio refuses them.
        maximum_concurrent_rpcs=options.max_queue + threads,
    )
