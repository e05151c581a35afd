"""`gerank serve`: an artifact behind gRPC."""

from __future__ import annotations

import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gerank.address import DEFAULT_PORT, join_address, parse_address
from gerank.cli.console import err, say
from gerank.cli.ranges import number_option
from gerank.cli.streams import stop_waiting_for_readers
from gerank.unknown_features import UnknownFeatures
from gerank_server.options import RANGES, ServerOptions

if TYPE_CHECKING:
    from gerank_server import Front, RerankServer

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
_STANDARD = ServerOptions()


class FrontChoice(StrEnum):
    """AUTO is the native front where this installation has it."""

    AUTO = "auto"
    NATIVE = "native"
    GRPCIO = "grpcio"


def _number(name: str, description: str, *flags: str) -> Any:
    """The option of the server that is called `name`, within its range."""
    return number_option(*RANGES[name], description, *flags)


def serve(
    model: Annotated[Path, typer.Option(help="An artifact.")],
    port: Annotated[int, number_option(0, 65535, "0 takes a free one.")] = DEFAULT_PORT,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    front: Annotated[FrontChoice, typer.Option(help="C++ or Python.")] = FrontChoice.AUTO,
    threads: Annotated[
        int | None,
        _number(
            "front_threads",
            "That read and write calls; 1 in C++, 16 in Python if unset.",
            "--threads",
        ),
    ] = _STANDARD.front_threads,
    workers: Annotated[int, _number("workers", "Forward passes at once.")] = _STANDARD.workers,
    intra_op_threads: Annotated[
        int, _number("intra_op_threads", "Of torch, within one forward pass.")
    ] = _STANDARD.intra_op_threads,
    max_batch: Annotated[
        int, _number("max_batch", "Most pages in one forward pass.")
    ] = _STANDARD.max_batch,
    max_batch_candidates: Annotated[
        int,
        _number("max_batch_candidates", "Most candidates in one forward pass, padding included."),
    ] = _STANDARD.max_batch_candidates,
    max_delay_us: Annotated[
        int, _number("max_delay_us", "How long a page waits for others, in microseconds.")
    ] = _STANDARD.max_delay_us,
    max_queue: Annotated[
        int, _number("max_queue", "Pages waiting, before calls are refused.")
    ] = _STANDARD.max_queue,
    max_queries: Annotated[
        int, _number("max_queries", "Most pages of one call.")
    ] = _STANDARD.max_queries,
    max_message_bytes: Annotated[
        int, _number("max_message_bytes", "Of one call; a larger one is refused.")
    ] = _STANDARD.max_message_bytes,
    max_calls_per_connection: Annotated[
        int, _number("max_calls_per_connection", "Calls of one connection at once.")
    ] = _STANDARD.max_calls_per_connection,
    unknown_features: Annotated[
        UnknownFeatures, typer.Option(help="What becomes of those that the model lacks.")
    ] = UnknownFeatures.REFUSE,
    tls_certificate: Annotated[
        Path | None, typer.Option(help="The server's certificate chain, PEM: serves TLS alone.")
    ] = None,
    tls_key: Annotated[Path | None, typer.Option(help="Its private key, PEM.")] = None,
    tls_client_ca: Annotated[
        Path | None, typer.Option(help="Whose certificates clients must show, PEM.")
    ] = None,
    token_file: Annotated[
        Path | None,
        typer.Option(help="Bearer tokens, one per line: every call but those of health needs one."),
    ] = None,
    plaintext: Annotated[
        bool, typer.Option("--plaintext", help="Without TLS where other machines can reach it.")
    ] = False,
) -> None:
    """Serve gerank.v1.RerankService with health and reflection.

    SIGINT or SIGTERM drains it. SIGHUP loads the file again (and those of TLS and tokens, which are
    also read again when they change) and swaps it in while the old one
    answers; a file that does not pass its checks is refused, and the old one serves on.

    Example:  gerank serve --model model.gerank --port 50051
    """
    from gerank_server import serve as start

    stop_waiting_for_readers()
    options = ServerOptions(
        front_threads=threads,
        workers=workers,
        intra_op_threads=intra_op_threads,
        max_batch=max_batch,
        max_batch_candidates=max_batch_candidates,
        max_delay_us=max_delay_us,
        max_queue=max_queue,
        max_queries=max_queries,
        max_message_bytes=max_message_bytes,
        max_calls_per_connection=max_calls_per_connection,
        unknown_features=unknown_features,
        tls_certificate=tls_certificate,
        tls_key=tls_key,
        tls_client_ca=tls_client_ca,
        token_file=token_file,
        plaintext=plaintext,
    )
    address = parse_address(join_address(host, port))
    # Threads inherit this: the signals wait until the main thread asks for them.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        with start(model, address.target, options, _chosen(front)) as server:
            say(f"serving {server.version()} on {address.with_port(server.port)}")
            while signal.sigwait(_SIGNALS) is signal.SIGHUP:
                server.reload_credentials()
                _swap(server, model)
            say("draining")
    except BaseException:  # whoever called this goes on, and so must its signals
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        raise


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


def _swap(server: RerankServer, model: Path) -> None:
    from gerank_server import ModelRefusedError

    try:
        server.load(model)
    except ModelRefusedError as error:
        err.print(f"refused: {error}", soft_wrap=True, markup=False, highlight=False)
        return
    say(f"now serving {server.version()}")
