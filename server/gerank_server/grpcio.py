"""The front in Python: grpcio over the same engine, for places where nghttp2 and libuv are not."""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import grpc
from grpc_health.v1 import health_pb2

import gerank.ops  # noqa: F401  libtorch and libgerank must be there before the engine
from gerank._engine import Engine, Ranker, StatusError
from gerank.unknown_features import UnknownFeatures
from gerank_server import health, reflection
from gerank_server.admission import Admission
from gerank_server.call_threads import CallThreads
from gerank_server.credentials import Credentials
from gerank_server.exposures import Exposures
from gerank_server.options import AddressError, ModelRefusedError, OptionError, ServerOptions
from gerank_server.own_process import OwnProcess
from gerank_server.reach import is_loopback
from gerank_server.servicer import SERVICE, RerankServicer
from gerank_server.streams import StreamLimit
from gerank_server.traces import NoTraces, Traces
from gerank_server.unix_socket import is_taken

_DEFAULT_THREADS = 16
_MOST_STREAMS = 512
"""Health watches and reflection streams at once."""
_MOST_OTHERS = 64
"""Calls of health, Describe and Statistics at once, and of Rerank whose message is under way."""
_MOST_THREADS = 4096
_RETRY_AFTER_S = 0.1
_QUIET_S = 0.1

_NATIVE_ALONE = (
    *("buffer_bytes", "connection_buffer_bytes"),
    *("metrics_address", "log_level", "log_format"),
    *("admin_address", "admin_token_file", "admin_plaintext"),
)


class GrpcioServer:
    """gerank.v1.RerankService on grpcio, with grpc.health.v1 and server reflection.

    Listens when it has been made; answers UNAVAILABLE until a model is loaded. Used as a
    context manager, it stops at the end of the block, and at the end of the process in any case.
    Thread-safe. In a process that was forked off, every method raises OtherProcessError, and the
    end of the block does nothing.

    Attributes:
        port: The one it listens on, also where the address asked for port 0.
        admin_port: 0, since it serves no administrators.
    """

    admin_port = 0

    def __init__(
        self,
        address: str,
        options: ServerOptions | None = None,
        prepare: Callable[[Self], None] | None = None,
        traces: Traces | None = None,
    ) -> None:
        """Starts to listen.

        Args:
            address: `host:port`; port 0 takes a free one.
            options: None = the defaults.
            prepare: Is called before, to load what is to be served, so that no caller comes to a
                server without a model; None = callers get UNAVAILABLE until one is loaded. What it
                raises ends the start.
            traces: What makes the spans of calls; whoever made it closes it. None = nobody does.

        Raises:
            AddressError: The port is in use, or the address is not one of this machine.
            OptionError: An option is out of its range, or not one of this front, a file of TLS or
                tokens cannot be used, or other machines could reach the server without TLS.
        """
        options = self._options = options or ServerOptions()
        _check(options)
        _check_reach(address, options)
        self._credentials = Credentials(options)
        self._process = OwnProcess()
        self._engine = _start_engine(options)
        waiting = (options.threads or _DEFAULT_THREADS) + options.max_queue
        self._exposures = Exposures(options)
        self._servicer = RerankServicer(
            self._engine, waiting, _RETRY_AFTER_S, self._exposures, traces or NoTraces()
        )
        streams = StreamLimit(_MOST_STREAMS, _RETRY_AFTER_S)
        self._health = health.HealthServicer(("", SERVICE, health.SERVICE), streams)
        names = (SERVICE, health.SERVICE, reflection.SERVICE)
        services = [self._servicer.handlers(), self._health.handlers()]
        if options.reflection:
            services.append(reflection.reflection_handlers(names, streams))
        most = min(waiting + _MOST_STREAMS + _MOST_OTHERS, _MOST_THREADS)
        self._server = _new_server(options, services, CallThreads(most), self._credentials)
        self._stopping = threading.Lock()
        if prepare is not None:
            prepare(self)
        self.port = self._listen(address)
        _RUNNING.add(self)

    def load(self, path: Path, name: str = "default") -> None:
        """Lets an artifact answer under `name` from now on; calls in progress keep the old one.

        Raises:
            ModelRefusedError: The file did not pass its checks; what answered before answers on.
        """
        self._process.check("load")
        try:
            options = self._options
            how = (options.implementation, options.precision, options.device)
            ranker = Ranker.load(os.fsencode(path), *how)
            self._exposures.describe(ranker)
            self._engine.publish(name, ranker)
        except StatusError as error:
            raise ModelRefusedError(str(error)) from error
        self._health.set(health_pb2.HealthCheckResponse.SERVING)

    def reload_credentials(self) -> None:
        """Reads the files of TLS and tokens again, which also happens when they change.

        Those that cannot be used are logged, and what was read before is used on.
        """
        self._process.check("reload_credentials")
        self._credentials.reload()

    def version(self, name: str = "default") -> str:
        """The model version that answers under `name`; empty where there is none."""
        self._process.check("version")
        ranker = self._engine.find(name)
        return ranker.model_version if ranker is not None else ""

    def exposures(self) -> dict[str, Any]:
        """What the exposure log did so far: records `written` and `lost`, `bytes`, `files`,
        `refused`, whether the disk refuses them now, and `last_error`, the last write that failed.
        Empty where none is kept.
        """
        self._process.check("exposures")
        return self._exposures.statistics()

    def leave(self) -> None:
        """Reports NOT_SERVING from now on, and serves on: who balances the load sees it."""
        self._process.check("leave")
        self._health.set(health_pb2.HealthCheckResponse.NOT_SERVING)

    def stop(self, grace_s: float | None = None) -> None:
        """Drains: refuses new calls, lets those in progress end, returns when all have.

        Args:
            grace_s: After so many seconds the calls that still wait get UNAVAILABLE; None = as the
                options say.
        """
        self._process.check("stop")
        grace_s = self._options.grace_s if grace_s is None else grace_s
        with self._stopping:
            end = time.monotonic() + grace_s + _QUIET_S
            self._servicer.drain()
            self._health.leave()
            self._engine.stop(grace_s)
            self._await_quiet(end)
            self._server.stop(_QUIET_S).wait()
            self._exposures.close()

    def wait(self) -> None:
        """Blocks until the server has stopped."""
        self._process.check("wait")
        self._server.wait_for_termination()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process.here:
            self.stop()

    def _listen(self, address: str) -> int:
        if is_taken(address):
            raise AddressError(f"address: cannot listen on {address}: a server listens there")
        try:
            tls = self._credentials.tls()
            if tls is not None:
                port = self._server.add_secure_port(address, tls)
            else:
                port = self._server.add_insecure_port(address)
        except RuntimeError as error:
            reason = "the port is in use, or the address is not one of this machine"
            raise AddressError(f"address: cannot listen on {address}: {reason}") from error
        self._server.start()
        return port

    def _await_quiet(self, end: float) -> None:
        """Until callers have heard that we leave: none is open, and for a while none came."""
        seen, since = self._servicer.arrived, time.monotonic()
        while (now := time.monotonic()) < end and now - since < _QUIET_S:
            time.sleep(0.002)
            if self._servicer.open_calls > 0 or self._servicer.arrived != seen:
                seen, since = self._servicer.arrived, time.monotonic()

    def _at_exit(self) -> None:
        if self._process.here:
            self.stop(0)

    def _at_fork(self) -> None:
        """In the child: what would join threads of the parent when it ends must never end."""
        for held in (self._engine, self._server):
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(held))


_RUNNING: weakref.WeakSet[GrpcioServer] = weakref.WeakSet()


@atexit.register
def _stop_all() -> None:
    """The threads of calls are daemons: none may be in a call when the interpreter ends."""
    for server in list(_RUNNING):
        server._at_exit()


def _leak_all() -> None:
    for server in list(_RUNNING):
        server._at_fork()


os.register_at_fork(after_in_child=_leak_all)


def _start_engine(options: ServerOptions) -> Engine:
    try:
        return Engine(
            **options.numbers(),
            ignore_unknown_features=options.unknown_features == UnknownFeatures.IGNORE,
        )
    except StatusError as error:
        raise OptionError(str(error)) from error


def _new_server(
    options: ServerOptions,
    services: Sequence[grpc.GenericRpcHandler],
    threads: CallThreads,
    credentials: Credentials,
) -> grpc.Server:
    return grpc.server(
        cast(ThreadPoolExecutor, threads),  # grpcio asks no more of it than `submit`
        handlers=[Admission(services, threads, credentials, _RETRY_AFTER_S)],
        options=(
            ("grpc.so_reuseport", 0),  # else a second server would share the port unnoticed
            ("grpc.max_receive_message_length", options.max_message_bytes),
            ("grpc.max_concurrent_streams", options.max_calls_per_connection),
            ("grpc.max_metadata_size", options.max_header_bytes),
            ("grpc.absolute_max_metadata_size", options.max_header_bytes),
            ("grpc.keepalive_time_ms", options.keepalive_s * 1000),
            ("grpc.keepalive_timeout_ms", options.keepalive_timeout_s * 1000),
            *_connection_age(options.max_connection_age_s),
        ),
    )


def _connection_age(seconds: int) -> tuple[tuple[str, int], ...]:
    return (("grpc.max_connection_age_ms", seconds * 1000),) if seconds > 0 else ()


def _check_reach(address: str, options: ServerOptions) -> None:
    """Raises OptionError where others than this machine could reach the server without TLS."""
    if options.tls_certificate is None and not options.plaintext and not is_loopback(address):
        rule = (
            "must be a loopback address or unix:path unless tls_certificate and tls_key are given, "
            "or plaintext"
        )
        raise OptionError(f"address: {rule}, got {address}")


def _check(options: ServerOptions) -> None:
    """Raises OptionError for what grpcio has no counterpart of."""
    for name in _NATIVE_ALONE:
        if getattr(options, name) != getattr(ServerOptions(), name):
            raise OptionError(f"{name}: only the native front has it, this one is 'grpcio'")
