"""`gerank studio`: the control page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import say
from gerank.cli.ranges import number_option
from gerank.cli.streams import stop_waiting_for_readers
from gerank.train.choices import Device


class StudioMissingError(RuntimeError):
    """The packages of the extra `studio` are not installed."""


def studio(
    model: Annotated[Path, typer.Option(help="An artifact.")],
    data: Annotated[
        Path | None, typer.Option(help="Folder of an exposure log; without it, drawn pages.")
    ] = None,
    run: Annotated[
        Path | None, typer.Option(help="Training run whose evaluator predicts clicks.")
    ] = None,
    device: Annotated[
        Device, typer.Option(help="Where the evaluator of --run computes.")
    ] = Device.CPU,
    server: Annotated[str, typer.Option(help="Slates come from this server, host:port.")] = "",
    port: Annotated[int, number_option(0, 65535, "0 takes a free one.")] = 8080,
    host: Annotated[
        str, typer.Option(help="Address to listen on. There is no login: keep it local.")
    ] = "127.0.0.1",
) -> None:
    """Open a web page to move weights and rules, and see slates re-rank.

    Without --server the engine in this process answers. Step probabilities are always of --model.
    --run's evaluator tells the clicks, or the truth does where --data was simulated.

    Example:  gerank studio --model model.gerank --data data/test
    """
    stop_waiting_for_readers()
    try:
        from gerank.studio.application import open_session, serve_studio
    except ModuleNotFoundError as error:
        if error.name not in ("nicegui", "fastapi", "uvicorn"):
            raise
        message = f"the control page needs {error.name}: pip install 'gerank[studio]'"
        raise StudioMissingError(message) from None
    with open_session(model, data, server, run, device) as session:
        serve_studio(session, host, port, lambda address: say(f"studio on {address}"))
