"""Which calls the front in Python takes: those that a thread is left for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from gerank_server.call_threads import CallThreads
from gerank_server.errors import BusyError, with_status


class Admission(grpc.GenericRpcHandler):
    """All services of a server, and the refusal of calls for which no thread is left.

    grpcio can limit calls itself (`maximum_concurrent_rpcs`), but does not tell the refused when to
    come again.
    """

    def __init__(
        self, services: Sequence[grpc.GenericRpcHandler], threads: CallThreads, retry_after_s: float
    ) -> None:
        """`retry_after_s`: when refused callers should come again."""
        self._services = services
        self._threads = threads

        def refuse(_: Any, context: grpc.ServicerContext) -> bytes:
            raise BusyError(retry_after_s)

        # As if the call had a stream of requests: the thread then does not wait for the first one.
        self._refusal: grpc.RpcMethodHandler[Any, Any] = grpc.stream_unary_rpc_method_handler(
            with_status(refuse)
        )

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method that a call asks for, if there is one."""
        for service in self._services:
            method: grpc.RpcMethodHandler[Any, Any] | None = service.service(details)
            if method is not None:
                return self._refusal if self._threads.full else method
        return None
