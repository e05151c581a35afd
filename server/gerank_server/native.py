"""The native front inside this process: C++ answers, Python starts, swaps and stops it."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import json
import os
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from gerank.torch_version import check_torch
from gerank_server.options import AddressError, ModelRefusedError, OptionError, ServerOptions
from gerank_server.own_process import OwnProcess

_LIBRARY = "libgerank_server.so"
_INVALID_ARGUMENT, _UNAVAILABLE = 3, 14
_ERRORS: dict[int, type[Exception]] = {_INVALID_ARGUMENT: OptionError, _UNAVAILABLE: AddressError}
_TEXT_BYTES = 4096


_EXPOSURE_COUNTS = ("written", "lost", "bytes", "files")


class _Exposures(ctypes.Structure):
    """GerankServerExposures of server/native/server.h, field by field."""

    _fields_ = (
        *((name, ctypes.c_uint64) for name in _EXPOSURE_COUNTS),
        ("refused", ctypes.c_bool),
    )


def library_path() -> Path:
    """Where the build puts the native front, if nghttp2 and libuv were there."""
    package = importlib.util.find_spec("gerank")
    assert package is not None and package.origin is not None
    return Path(package.origin).parent / "lib" / _LIBRARY


def is_built() -> bool:
    """Whether this installation has the native front."""
    return library_path().exists()


def keep_no_large_blocks() -> None:
    """Has malloc give blocks of large answers back to the machine as they are freed.

    It does so in all of this process, and is for a program that does nothing but serve.
    """
    _library().gerank_server_keep_no_large_blocks()


class NativeServer:
    """gerank.v1.RerankService over nghttp2, with grpc.health.v1 and server reflection.

    Listens when it has been made; answers UNAVAILABLE until a model is loaded. Used as a
    context manager, it stops at the end of the block. Thread-safe. In a process that was forked
    off, every method raises OtherProcessError, and the end of the block does nothing.

    Attributes:
        port: The one it listens on, also where the address asked for port 0.
        admin_port: The one where it serves gerank.v1.AdminService; 0 = it does not.
    """

    def __init__(
        self,
        address: str,
        options: ServerOptions | None = None,
        prepare: Callable[[Self], None] | None = None,
    ) -> None:
        """Starts to listen.

        Args:
            address: `host:port`; port 0 takes a free one.
            options: None = the defaults.
            prepare: Is called before, to load what is to be served, so that no caller comes to a
                server without a model; None = callers get UNAVAILABLE until one is loaded. What it
                raises ends the start.

        Raises:
            AddressError: The port is in use, or the address is not one of this machine.
            OptionError: An option is out of its range, a file of TLS or tokens cannot be used, or
                other machines could reach the server without TLS.
        """
        self._server = ctypes.c_void_p()
        self._process = OwnProcess()
        self._stopped = threading.Event()
        self._options = options or ServerOptions()
        document = _document(address, self._options)
        start = functools.partial(
            _library().gerank_server_start, document, ctypes.byref(self._server)
        )
        _call(start, _error_of)
        if prepare is not None:
            prepare(self)
        _call(functools.partial(_library().gerank_server_listen, self._server), _error_of)
        self.port = int(_library().gerank_server_port(self._server))
        self.admin_port = int(_library().gerank_server_admin_port(self._server))

    def load(self, path: Path, name: str = "default") -> None:
        """Lets an artifact answer under `name` from now on; calls in progress keep the old one.

        It is loaded, checked and warmed first, while the old one answers.

        Raises:
            ModelRefusedError: The file did not pass its checks; what answered before answers on.
        """
        self._process.check("load")
        load = functools.partial(
            _library().gerank_server_load, self._server, name.encode(), os.fsencode(path)
        )
        _call(load, lambda _: ModelRefusedError)

    def reload_credentials(self) -> None:
        """Reads the files of TLS and tokens again, which also happens when they change.

        Those that cannot be used are told on stderr, and what was read before is used on.
        """
        self._process.check("reload_credentials")
        _library().gerank_server_reload_credentials(self._server)

    def version(self, name: str = "default") -> str:
        """The model version that answers under `name`; empty where there is none."""
        self._process.check("version")
        text = ctypes.create_string_buffer(_TEXT_BYTES)
        _library().gerank_server_version(self._server, name.encode(), text, _TEXT_BYTES)
        return text.value.decode()

    def exposures(self) -> dict[str, Any]:
        """What the exposure log did so far: records `written` and `lost`, `bytes`, `files`,
        `refused`, whether the disk refuses them now, and `last_error`, the last write that failed.
        Empty where none is kept.
        """
        self._process.check("exposures")
        counts, text = _Exposures(), ctypes.create_string_buffer(_TEXT_BYTES)
        if not _library().gerank_server_exposures(
            self._server, ctypes.byref(counts), text, ctypes.c_size_t(_TEXT_BYTES)
        ):
            return {}
        told = {name: getattr(counts, name) for name in (*_EXPOSURE_COUNTS, "refused")}
        return told | {"last_error": os.fsdecode(text.value)}

    def leave(self) -> None:
        """Reports NOT_SERVING from now on, and serves on: who balances the load sees it."""
        self._process.check("leave")
        _library().gerank_server_leave(self._server)

    def stop(self, grace_s: float | None = None) -> None:
        """Drains: takes no new calls, lets those in progress end, returns when all have.

        Args:
            grace_s: After so many seconds the calls that still wait get UNAVAILABLE; None = as the
                options say.
        """
        self._process.check("stop")
        grace_s = self._options.grace_s if grace_s is None else grace_s
        _library().gerank_server_stop(self._server, ctypes.c_double(grace_s))
        self._stopped.set()

    def wait(self) -> None:
        """Blocks until the server has stopped."""
        self._process.check("wait")
        self._stopped.wait()

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

    def __del__(self) -> None:
        if self._server and self._process.here:  # its threads run where it was made
            _library().gerank_server_free(self._server)


def _document(address: str, options: ServerOptions) -> bytes:
    """The options as `server.toml` has them; where one says None, the front's default stands."""
    told = {"address": address} | asdict(options)
    lines = [
        f"{name} = {json.dumps(str(value) if isinstance(value, Path) else value)}"
        for name, value in told.items()
        if value is not None
    ]
    return "\n".join(lines).encode()


@functools.cache
def _library() -> Any:
    check_torch()
    library = ctypes.CDLL(str(library_path()))
    library.gerank_server_keep_no_large_blocks.restype = None
    library.gerank_server_exposures.restype = ctypes.c_bool
    library.gerank_server_leave.restype = None
    library.gerank_server_stop.restype = None
    library.gerank_server_reload_credentials.restype = None
    library.gerank_server_version.restype = None
    library.gerank_server_free.restype = None
    return library


def _error_of(code: int) -> type[Exception]:
    return _ERRORS.get(code, RuntimeError)


def _call(
    function: Callable[[Any, ctypes.c_size_t], int], error_of: Callable[[int], type[Exception]]
) -> None:
    """Raises the error that a function of the library tells, if it fails."""
    text = ctypes.create_string_buffer(_TEXT_BYTES)
    code = function(text, ctypes.c_size_t(_TEXT_BYTES))
    if code != 0:
        raise error_of(code)(text.value.decode(errors="replace"))
