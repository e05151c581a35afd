"""`gerank simulate`: an exposure log from the embedded simulator."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import say


def simulate(
    pages: Annotated[int, typer.Option(min=1, help="Pages to log.")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the log and its truth.")],
    candidates: Annotated[int, typer.Option(min=1, help="Candidates per page.")] = 20,
    slots: Annotated[int, typer.Option(min=1, help="Slots per page.")] = 10,
    seed: Annotated[int, typer.Option(min=0, help="Of people, pages and clicks.")] = 0,
) -> None:
    """Simulate a feed: people, a logging pipeline, and clicks that depend on the page.

    Logs of different seeds show the same catalogue to different people, so one may train and the
    other test.

    Example:  gerank simulate --pages 20000 --out data/train
    """
    from gerank.data.simulator import SimulatorConfig
    from gerank.data.simulator import simulate as run

    try:
        config = SimulatorConfig(pages, candidates, slots, seed)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    log, truth = run(config)
    log.write(out_dir)
    truth.write(out_dir)
    say(
        f"{len(log)} pages of {candidates} candidates, {slots} slots, "
        f"{log.clicks.sum() / len(log):.3f} clicks a page: {out_dir}"
    )
