"""`gerank export`: the one file that is served."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import say


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    out_file: Annotated[Path, typer.Option("--out", help="The artifact to write.")],
    presets: Annotated[
        Path | None, typer.Option(help="TOML or JSON file of named presets for requests.")
    ] = None,
) -> None:
    """Write a run's generator as an artifact, and check it.

    Example:  gerank export runs/first --out model.gerank
    """
    from gerank.export.from_run import export_run

    artifact = export_run(run, out_file, presets)
    size = out_file.stat().st_size / 1024
    named = f", presets {', '.join(artifact.contract.presets)}" if artifact.contract.presets else ""
    say(f"{out_file}: {artifact.model_version}, {size:.0f} KiB, golden requests passed{named}")
