"""`gerank serve`: an artifact behind gRPC."""

from __future__ import annotations

import inspect
import signal
import time
from contextlib import AbstractContextManager, nullcontext
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer

from gerank.address import DEFAULT_PORT, Address, join_address, parse_address
from gerank.cli.console import err, say
from gerank.cli.ranges import number_option
from gerank.cli.streams import stop_waiting_for_readers
from gerank.option_table import Option, number_range, option_table
from gerank_server.model_files import DEFAULT_MODEL, ModelFiles
from gerank_server.server_toml import checked_server_toml

if TYPE_CHECKING:
    from gerank_server import Front, ModelRefusedError, RerankServer, ServerOptions
    from gerank_server.otel import OtelTraces

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_PORT = f"; default {DEFAULT_PORT}"
_OTEL_SHARE = 0.01
_SAID_OTHERWISE = {"model", "models", "address", "threads"}


class FrontChoice(StrEnum):
    """AUTO is the native front where this installation has it."""

    AUTO = "auto"
    NATIVE = "native"
    GRPCIO = "grpcio"


def _flag(option: Option) -> inspect.Parameter:
    """The parameter of an option of the table; None = the command line does not say."""
    about = f"{option.description[0].upper()}{option.description[1:]}"
    if option.low is not None and option.high is not None:
        kind: Any = type(option.default)
        how = number_option(option.low, option.high, about, ending=f"; default {option.default}")
    elif isinstance(option.default, bool):
        kind, how = bool, typer.Option(help=about, show_default=False)
    else:
        kind = (
            StrEnum(option.name, [(word, word) for word in option.words]) if option.words else str
        )
        how = typer.Option(help=f"{about} (default {option.default})" if option.default else about)
    parameter = inspect.Parameter.KEYWORD_ONLY
    return inspect.Parameter(
        option.name, parameter, default=None, annotation=Annotated[kind | None, how]
    )


def serve(
    model: Annotated[
        list[str] | None,
        typer.Option(
            help="An artifact, FILE or NAME=FILE; the first answers calls without a name."
        ),
    ] = None,
    config: Annotated[
        Path | None, typer.Option(help="server.toml: `max_batch = 64`, say; flags win.")
    ] = None,
    port: Annotated[
        int | None,
        number_option(0, 65535, "0 takes a free one.", ending=f"; default {DEFAULT_PORT}"),
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address to listen on (default 127.0.0.1).")
    ] = None,
    front: Annotated[FrontChoice, typer.Option(help="C++ or Python.")] = FrontChoice.AUTO,
    threads: Annotated[
        int | None,
        number_option(
            *number_range("threads"),
            "That read and write calls; 1 in C++, 16 in Python if unset.",
        ),
    ] = None,
    otel_endpoint: Annotated[
        str | None,
        typer.Option(help="Sends spans of calls there, OTLP over HTTP; the front in Python alone."),
    ] = None,
    otel_share: Annotated[
        float | None,
        number_option(
            0.0, 1.0, "Share of the traces that begin here", ending=f"; default {_OTEL_SHARE}"
        ),
    ] = None,
    **flags: Any,
) -> None:
    """Serve gerank.v1.RerankService with health and reflection.

    SIGINT or SIGTERM drains it. SIGHUP loads files that have changed again (and those of TLS and
    tokens, which are also read again when they change) and swaps them in while the old ones
    answer; a file that does not pass its checks is refused, and the old one serves on.

    Example:  gerank serve --model model.gerank --port 50051
    """
    from gerank_server import OptionError, ServerOptions, serve_models

    stop_waiting_for_readers()
    told = {} if config is None else checked_server_toml(config)
    told |= {
        name: value for name, value in (flags | {"threads": threads}).items() if value is not None
    }
    files = ModelFiles.told(model or (), told.pop("model", None), told.pop("models", {}))
    address = _address(host, port, told.pop("address", None))
    options = ServerOptions(**told)
    if not files.paths:
        raise OptionError("model: which artifact to serve, --model FILE")
    # Threads inherit this: the signals wait until the main thread asks for them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        files.note()

        def refused(name: str, error: ModelRefusedError) -> None:
            files.retry(name)
            _tell_refused(name, error)

        chosen = _chosen(front)
        _spare_memory(chosen)
        with (
            _traces(otel_endpoint, otel_share, chosen) as traces,
            serve_models(files.paths, refused, address.target, options, chosen, traces) as server,
        ):
            say(f"serving {server.version(files.first)} on {address.with_port(server.port)}")
            _tell_admin(server, options)
            while signal.sigwait(_SIGNALS) is signal.SIGHUP:
                server.reload_credentials()
                if files.reload(server, _tell_refused):
                    say(f"now serving {server.version(files.first)}")
            say("draining")
            server.leave()
            time.sleep(options.pre_stop_delay_s)
        _tell_exposures(server)
        _tell_traces(traces)
    except BaseException:  # whoever called this goes on, and so must its signals
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise


serve.__signature__ = inspect.Signature(  # type: ignore[attr-defined]
    [
        *(
            p
            for p in inspect.signature(serve, eval_str=True).parameters.values()
            if p.name != "flags"
        ),
        *(_flag(o) for o in option_table().values() if o.name not in _SAID_OTHERWISE),
    ]
)


def _address(host: str | None, port: int | None, told: str | None) -> Address:
    """Where to listen: as the flags say, else as the file does."""
    if told is not None and host is None and port is None:
        return parse_address(told)
    return parse_address(join_address(host or "127.0.0.1", DEFAULT_PORT if port is None else port))


def _chosen(choice: FrontChoice) -> Front:
    """The front to use; where the better one is missing, that is said."""
    from gerank_server import Front, best_front

    if choice is not FrontChoice.AUTO:
        return Front(choice.value)
    front = best_front()
    if front is Front.GRPCIO:
        err.print(
            "this installation has no native front, since a library was missing when it was "
            "built: serving with the one in Python",
            soft_wrap=True,
            highlight=False,
        )
    return front


def _spare_memory(front: Front) -> None:
    """This process does nothing but serve, so that its malloc may be told to keep less."""
    from gerank_server import Front
    from gerank_server.native import is_built, keep_no_large_blocks

    if front is Front.NATIVE and is_built():
        keep_no_large_blocks()


def _traces(
    endpoint: str | None, share: float | None, front: Front | None
) -> AbstractContextManager[OtelTraces | None]:
    """What makes the spans of calls, if that is asked for."""
    from gerank_server import OptionError
    from gerank_server.fronts import check_traces

    if endpoint is None:
        if share is not None:
            raise OptionError(f"otel_share: is of no use without otel_endpoint, got {share}")
        return nullcontext()
    if urlsplit(endpoint).scheme not in ("http", "https") or not urlsplit(endpoint).netloc:
        raise OptionError(f"otel_endpoint: must be a URL of http or https, got {endpoint!r}")
    check_traces(front)
    needed = "pip install 'gerank[otel]'"
    try:
        from gerank_server.otel import OtelTraces
    except ModuleNotFoundError as error:
        raise OptionError(f"otel_endpoint: {error.name} is not installed: {needed}") from None
    except ImportError as error:  # another package has put files in the place of its own
        raise OptionError(f"otel_endpoint: {error}: {needed}") from None
    return OtelTraces.over_http(endpoint, _OTEL_SHARE if share is None else share)


def _tell_traces(traces: OtelTraces | None) -> None:
    """How many spans a stopped server has sent, and how many it lost."""
    if traces is not None:
        counts = traces.statistics()
        say(f"traces: {counts['exported']} spans exported, {counts['lost']} lost")


def _tell_exposures(server: RerankServer) -> None:
    """What the exposure log of a stopped server holds, and what it lost."""
    counts = server.exposures()
    if not counts:
        return
    say(f"exposures: {counts['written']} calls written, {counts['lost']} lost")
    if counts["last_error"]:
        err.print(
            f"exposures: {counts['last_error']}", soft_wrap=True, markup=False, highlight=False
        )


def _tell_refused(name: str, error: ModelRefusedError) -> None:
    which = "" if name == DEFAULT_MODEL else f"model {name!r}: "
    err.print(f"refused: {which}{error}", soft_wrap=True, markup=False, highlight=False)


def _tell_admin(server: RerankServer, options: ServerOptions) -> None:
    if options.admin_address is not None:
        say(f"admin on {parse_address(options.admin_address).with_port(server.admin_port)}")
