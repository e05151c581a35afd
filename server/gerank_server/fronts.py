"""Which front serves: both answer alike, one costs a tenth of the other."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Protocol, Self

from gerank.address import parse_address
from gerank_server.native import NativeServer, is_built
from gerank_server.options import ModelRefusedError, OptionError, ServerOptions

if TYPE_CHECKING:
    from gerank_server.traces import Traces


class Front(enum.Enum):
    """NATIVE: C++, built where its libraries were there. GRPCIO: Python, everywhere."""

    NATIVE = "native"
    GRPCIO = "grpcio"


class RerankServer(Protocol):
    """A running server, whichever its front; see `NativeServer`."""

    port: int
    admin_port: int

    def load(self, path: Path, name: str = "default") -> None:
        """Lets an artifact answer from now on, after its checks."""

    def reload_credentials(self) -> None:
        """Reads the files of TLS and tokens again, which also happens when they change."""

    def version(self, name: str = "default") -> str:
        """The model version that answers; empty where there is none."""

    def exposures(self) -> dict[str, Any]:
        """What the exposure log did so far; empty where none is kept."""

    def leave(self) -> None:
        """Reports NOT_SERVING from now on, and serves on: who balances the load sees it."""

    def stop(self, grace_s: float | None = None) -> None:
        """Drains, and closes; None = with the grace of the options."""

    def wait(self) -> None:
        """Blocks until the server has stopped."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...


def best_front() -> Front:
    """The native front, where this installation has it."""
    return Front.NATIVE if is_built() else Front.GRPCIO


def check_traces(front: Front | None) -> None:
    """Raises OptionError unless a front, None = `best_front()`, makes spans of its calls."""
    if (front or best_front()) is Front.NATIVE:
        rule = "only the front 'grpcio' makes spans, this one is 'native'"
        raise OptionError(f"traces (--otel-endpoint): {rule}")


def listen(
    address: str, options: ServerOptions | None = None, front: Front | None = None
) -> RerankServer:
    """A server without a model: it answers UNAVAILABLE until one is loaded.

    Args:
        address: As `gerank.address` reads it; port 0 takes a free one.
        options: None = the defaults.
        front: None = `best_front()`.

    Raises:
        MalformedAddressError: The address is none.
        AddressError: The port is in use, or the address is not one of this machine.
        OptionError: The front is not in this installation, options contradict each other, or a file
            that they name cannot be used.
    """
    return _start(address, options, front, None)


def _start(
    address: str,
    options: ServerOptions | None,
    front: Front | None,
    prepare: Callable[[RerankServer], None] | None,
    traces: Traces | None = None,
) -> RerankServer:
    front = front or best_front()
    address = parse_address(address).target
    if front is Front.NATIVE:
        if not is_built():
            missing = "a library was missing when it was built"
            raise OptionError(f"front: 'native' is not in this installation: {missing}")
        if traces is not None:
            check_traces(front)
        return NativeServer(address, options, prepare)
    from gerank_server.grpcio import GrpcioServer  # torch and grpcio cost a second

    return GrpcioServer(address, options, prepare, traces)


def serve(
    path: Path,
    address: str = "127.0.0.1:50051",
    options: ServerOptions | None = None,
    front: Front | None = None,
    traces: Traces | None = None,
) -> RerankServer:
    """Serves an artifact until the returned server is stopped.

    Listens when the artifact is loaded: until then connections are refused, so that callers of
    several servers go to another. `traces` makes the spans of calls, such as
    `gerank_server.otel.OtelTraces`; whoever made it closes it after the server.

    Raises:
        MalformedAddressError, AddressError, OptionError: As for `listen`.
        ModelRefusedError: The artifact did not pass its checks.
    """
    return _start(address, options, front, lambda server: server.load(path), traces)


def serve_models(
    models: Mapping[str, Path],
    refused: Callable[[str, ModelRefusedError], None],
    address: str = "127.0.0.1:50051",
    options: ServerOptions | None = None,
    front: Front | None = None,
    traces: Traces | None = None,
) -> RerankServer:
    """Serves several artifacts by their names; the first answers calls that name none.

    Args:
        models: The artifact of each name.
        refused: Gets the name and the error of each but the first that did not pass its checks; the
            others are served.
        address: As `gerank.address` reads it; port 0 takes a free one.
        options: None = the defaults.
        front: None = `best_front()`.
        traces: As for `serve`.

    Raises:
        MalformedAddressError, AddressError, OptionError: As for `listen`.
        ModelRefusedError: The first artifact did not pass its checks.
    """
    first = next(iter(models))

    def load(server: RerankServer) -> None:
        for name, path in models.items():
            try:
                server.load(path, name)
            except ModelRefusedError as error:
                if name == first:
                    raise
                refused(name, error)

    return _start(address, options, front, load, traces)
