"""`gerank runs`: training runs, listed and compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import out, say, show


def runs(
    folders: Annotated[
        list[Path] | None, typer.Argument(help="Runs, or folders that hold some. Default: runs.")
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="Print all as JSON.")] = False,
) -> None:
    """List training runs and what came of them, and the settings in which they differ.

    In Python, `gerank.runs("runs")` is the same as a pandas frame.

    Example:  gerank runs runs/first runs/second
    """
    from gerank.train.runs import find_runs, run_tables

    found = find_runs(folders or [Path("runs")])
    if json_output:
        out.print_json(json.dumps([run.to_json() for run in found]))
        return
    if not found:
        say("no runs")
        return
    for table in run_tables(found):
        show(table)
