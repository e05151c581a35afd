"""A running server: its address, its threads, its health, and how it ends."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from gerank.data.ranking import Model
from gerank_server.servicer import SERVICE, RerankServicer


class AddressError(OSError):
    """The server cannot listen where it was told to."""


@dataclass(frozen=True)
class ServerOptions:
    """What a server grants its callers.

    Attributes:
        workers: Threads that parse, check and answer.
        model_threads: Forward passes at once; each may use torch's own threads besides.
        max_concurrent_calls: Calls in the house; one more gets RESOURCE_EXHAUSTED.
        max_queries: Queries of one call.
        max_message_bytes: Of one call; a larger one gets RESOURCE_EXHAUSTED.
    """

    workers: int = 16
    model_threads: int = 1
    max_concurrent_calls: int = 256
    max_queries: int = 256
    max_message_bytes: int = 16 * 2**20


class RerankServer:
    """Listens from the moment it is made; answers UNAVAILABLE until a model is published.

    Besides gerank.v1.RerankService it has grpc.health.v1 and server reflection. Used as a context
    manager, it stops at the end of the block.

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
        """
        options = options or ServerOptions()
        self._servicer = RerankServicer(options.max_queries, options.model_threads)
        self._health = health.HealthServicer()
        self._server = grpc.server(
            ThreadPoolExecutor(options.workers, thread_name_prefix="gerank"),
            handlers=[self._servicer.handlers()],
            options=(
                ("grpc.so_reuseport", 0),  # else a second server would share the port unnoticed
                ("grpc.max_receive_message_length", options.max_message_bytes),
            ),
            maximum_concurrent_rpcs=options.max_concurrent_calls,
        )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (SERVICE, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self._report(health_pb2.HealthCheckResponse.NOT_SERVING)
        self.port = self._listen(address)

    def publish(self, model: Model) -> None:
        """Answers with `model` from now on; calls in progress keep the one they began with."""
        self._servicer.publish(model)
        self._report(health_pb2.HealthCheckResponse.SERVING)

    def stop(self, grace_s: float = 10.0) -> None:
        """Drains: takes no new call, lets those in progress end, returns when all have.

        Args:
            grace_s: After so many seconds the calls still in progress are cancelled.
        """
        self._health.enter_graceful_shutdown()
        self._server.stop(grace_s).wait()
        self._servicer.close()

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

    def _report(self, status: int) -> None:
        for service in ("", SERVICE):
            self._health.set(service, status)


def serve(
    model: Model, address: str = "127.0.0.1:50051", options: ServerOptions | None = None
) -> RerankServer:
    """Serves `model` until the returned server is stopped.

    Raises:
        AddressError: As for `RerankServer`.
    """
    server = RerankServer(address, options)
    server.publish(model)
    return server
