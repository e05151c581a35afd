"""`gerank serve`: an artifact behind gRPC."""

from __future__ import annotations

import signal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gerank.cli.console import err, say

if TYPE_CHECKING:
    from gerank_server import Front, RerankServer

_SIGNALS = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


class FrontChoice(StrEnum):
    """AUTO is the native front where this installation has it."""

    AUTO = "auto"
    NATIVE = "native"
    GRPCIO = "grpcio"


def serve(
    model: Annotated[Path, typer.Option(help="An artifact.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 50051,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    front: Annotated[FrontChoice, typer.Option(help="C++ or Python.")] = FrontChoice.AUTO,
    workers: Annotated[int, typer.Option(help="Forward passes at once.")] = 1,
    max_batch: Annotated[int, typer.Option(help="Most pages in one forward pass.")] = 64,
    max_delay_us: Annotated[int, typer.Option(help="How long a page waits for others.")] = 0,
    max_queue: Annotated[int, typer.Option(help="Pages waiting, before calls are refused.")] = 1024,
) -> None:
    """Serve gerank.v1.RerankService with health and reflection.

    SIGINT or SIGTERM drains it. SIGHUP loads the file again and swaps it in while the old one
    answers; a file that does not pass its checks is refused, and the old one serves on.

    Example:  gerank serve --model model.gerank --port 50051
    """
    from gerank_server import ServerOptions
    from gerank_server import serve as start

    # Threads inherit this: the signals wait until the main thread asks for them.
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    options = ServerOptions(
        workers=workers, max_batch=max_batch, max_delay_us=max_delay_us, max_queue=max_queue
    )
    with start(model, f"{host}:{port}", options, _chosen(front)) as server:
        say(f"serving {server.version()} on {host}:{server.port}")
        while signal.sigwait(_SIGNALS) is signal.SIGHUP:
            _swap(server, model)
        say("draining")


def _chosen(choice: FrontChoice) -> Front:
    """The front to use; where the better one is missing, that is said."""
    from gerank_server import Front, best_front

    if choice is not FrontChoice.AUTO:
        return Front(choice.value)
    front = best_front()
    if front is Front.GRPCIO:
        err.print(
            "this installation has no native front (grpc++ was missing when it was built): "
            "serving with the one in Python",
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
