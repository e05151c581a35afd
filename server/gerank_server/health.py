"""grpc.health.v1 for the front in Python, which no client can bring to a halt."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Sequence

import grpc
from grpc_health.v1 import health_pb2

from gerank_server.streams import StreamLimit

_RESPONSE = health_pb2.HealthCheckResponse
SERVICE = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_Watcher = queue.SimpleQueue[int | None]
"""What a Watch stream has yet to be told; None ends it."""


class HealthServicer:
    """Whether services serve, for those who ask and for those who watch. Thread-safe.

    No lock is held while anything is sent: the sender waits for grpc's own thread, which may wait
    for that lock in turn when another watcher leaves. Every watcher is told by its own thread, so
    that one who does not read keeps no other waiting.
    """

    def __init__(self, services: Sequence[str], streams: StreamLimit) -> None:
        """`services` do not serve yet; the empty name stands for the server as a whole."""
        self._lock = threading.Lock()
        self._status: dict[str, int] = dict.fromkeys(services, _RESPONSE.NOT_SERVING)
        self._watchers: dict[str, list[_Watcher]] = {}
        self._leaving = False
        self._streams = streams

    def set(self, status: int) -> None:
        """Tells all callers that every service has this status; never waits for any of them."""
        with self._lock:
            if not self._leaving:
                self._set(status)

    def leave(self) -> None:
        """Nothing serves from now on, whatever is set later."""
        with self._lock:
            self._leaving = True
            self._set(_RESPONSE.NOT_SERVING)

    def handlers(self) -> grpc.GenericRpcHandler:
        """The service for a grpc.Server."""
        request = health_pb2.HealthCheckRequest.FromString
        response = _RESPONSE.SerializeToString
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "Check": grpc.unary_unary_rpc_method_handler(self._check, request, response),
                "Watch": grpc.unary_stream_rpc_method_handler(
                    self._streams.held_by(self._watch), request, response
                ),
            },
        )

    def _set(self, status: int) -> None:
        for service in self._status:
            self._status[service] = status
            for watcher in self._watchers.get(service, ()):
                watcher.put(status)

    def _check(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> health_pb2.HealthCheckResponse:
        with self._lock:
            status = self._status.get(request.service)
        if status is None:
            context.abort(grpc.StatusCode.NOT_FOUND, f"service {request.service!r} is not here")
        return _RESPONSE(status=status)

    def _watch(
        self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext
    ) -> Iterator[health_pb2.HealthCheckResponse]:
        watcher = self._enter(request.service)
        try:
            if not context.add_callback(lambda: watcher.put(None)):
                return
            while (status := _last_of(watcher)) is not None:
                yield _RESPONSE(status=status)
        finally:
            self._exit(request.service, watcher)

    def _enter(self, service: str) -> _Watcher:
        """A new watcher of a service, to be told its present status first."""
        watcher: _Watcher = queue.SimpleQueue()
        with self._lock:
            watcher.put(self._status.get(service, _RESPONSE.SERVICE_UNKNOWN))
            self._watchers.setdefault(service, []).append(watcher)
        return watcher

    def _exit(self, service: str, watcher: _Watcher) -> None:
        with self._lock:
            self._watchers[service].remove(watcher)
            if not self._watchers[service]:
                del self._watchers[service]


def _last_of(watcher: _Watcher) -> int | None:
    """Waits for something to tell; of several changes only the last one counts."""
    status = watcher.get()
    while status is not None:
        try:
            status = watcher.get_nowait()
        except queue.Empty:
            break
    return status
