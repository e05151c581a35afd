"""`gerank serve`: an artifact behind gRPC."""

from __future__ import annotations

import signal
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from gerank.cli.console import say


def serve(
    model: Annotated[Path, typer.Option(help="An artifact.")],
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes a free one.")] = 50051,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve gerank.v1.RerankService with health and reflection; SIGINT or SIGTERM drains it.

    Example:  gerank serve --model model.gerank --port 50051
    """
    from gerank.export.artifact import load_artifact
    from gerank_server import serve as start

    artifact = load_artifact(model)
    with start(artifact, f"{host}:{port}") as server:

        def drain(_signal: int, _frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        signal.signal(signal.SIGTERM, drain)
        try:
            say(f"serving {artifact.model_version} on {host}:{server.port}")
            server.wait()
        except KeyboardInterrupt:
            say("draining")
