"""`gerank convert`: public data sets as exposure logs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import say

app = typer.Typer(help="Convert public data sets to exposure logs.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Keeps `ranklens` a subcommand while it is the only one."""


@app.command()
def ranklens(
    events: Annotated[Path, typer.Argument(help="events.jsonl or events.jsonl.gz")],
    out_dir: Annotated[Path, typer.Option("--out", help="Folder for the log.")],
    features_from: Annotated[
        Path | None,
        typer.Option(help="Take item statistics from this converted log of other people."),
    ] = None,
) -> None:
    """Convert RankLens: real pages of 24 films in random order, with what people clicked.

    Example:  gerank convert ranklens events.jsonl.gz --out data/ranklens
    """
    from gerank.data.ranklens import write_ranklens

    log = write_ranklens(events, out_dir, features_from)
    say(f"{len(log)} pages, {log.clicks.sum() / len(log):.3f} clicks a page: {out_dir}")
