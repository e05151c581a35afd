"""Which calls the front in Python takes: those with a token, and that a thread is left for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import grpc

from gerank_server.bearer_tokens import refusal_of
from gerank_server.call_threads import CallThreads
from gerank_server.credentials import Credentials
from gerank_server.errors import BusyError, UnauthenticatedError, with_status


class Admission(grpc.GenericRpcHandler):
    """All services of a server, and the refusal of calls without a token or a thread for them.

    grpcio can limit calls itself (`maximum_concurrent_rpcs`), but does not tell the refused when to
    come again.
    """

    def __init__(
        self,
        services: Sequence[grpc.GenericRpcHandler],
        threads: CallThreads,
        credentials: Credentials,
        retry_after_s: float,
    ) -> None:
        """`retry_after_s`: when callers should come again for whom no thread is left."""
        self._services = services
        self._threads = threads
        self._credentials = credentials
        self._retry_after_s = retry_after_s

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any] | None:
        """The method that a call asks for, if there is one."""
        tokens = self._credentials.tokens()
        refused = refusal_of(details, tokens) if tokens is not None else None
        if refused is not None:
            return _refusal(UnauthenticatedError(refused))
        for service in self._services:
            method: grpc.RpcMethodHandler[Any, Any] | None = service.service(details)
            if method is not None:
                is_full = self._threads.full
                return _refusal(BusyError(self._retry_after_s)) if is_full else method
        return None


def _refusal(error: Exception) -> grpc.RpcMethodHandler[Any, Any]:
    """Ends a call with an error. As if it had a stream of requests: no thread waits for one."""

    def refuse(_: Any, context: grpc.ServicerContext) -> bytes:
        raise error

    handler: grpc.RpcMethodHandler[Any, Any] = grpc.stream_unary_rpc_method_handler(
        with_status(refuse)
    )
    return handler
