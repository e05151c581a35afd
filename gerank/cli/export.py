"""`gerank export`: the one file that is served."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import say


class PolicyName(StrEnum):
    """As `gerank.export.from_run.Policy`, which takes seconds to import."""

    GENERATOR = "generator"
    CLONE = "clone"


class PrecisionName(StrEnum):
    """As `gerank.export.precision.Precision`."""

    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


def export(
    run: Annotated[Path, typer.Argument(help="Folder of a training run.")],
    out_file: Annotated[Path, typer.Option("--out", help="The artifact to write.")],
    presets: Annotated[
        Path | None, typer.Option(help="TOML or JSON file of named presets for requests.")
    ] = None,
    policy: Annotated[
        PolicyName,
        typer.Option(help="clone = what is like the logged pages, whatever the verdict."),
    ] = PolicyName.GENERATOR,
    force: Annotated[
        bool, typer.Option("--force", help="Export a generator that is not found to be better.")
    ] = False,
    unfinished: Annotated[
        bool,
        typer.Option("--unfinished", help="Export a run whose training has not ended."),
    ] = False,
    precision: Annotated[
        PrecisionName,
        typer.Option(help="In which servers multiply; bfloat16 is faster, and changes slates."),
    ] = PrecisionName.FLOAT32,
) -> None:
    """Write a run's generator as an artifact, and check it.

    It is refused unless the verdict on it is "better". The artifact keeps the verdict.

    Example:  gerank export runs/first --out model.gerank
    """
    from gerank.export.from_run import export_run

    artifact = export_run(
        run,
        out_file,
        presets,
        force=force,
        policy=policy,
        unfinished=unfinished,
        precision=precision,
    )
    size = out_file.stat().st_size / 1024
    named = f", presets {', '.join(artifact.contract.presets)}" if artifact.contract.presets else ""
    say(f"{out_file}: {artifact.model_version}, {size:.0f} KiB, golden requests passed{named}")
    if rounded := artifact.manifest.get("precision"):
        share, requests = rounded["changed_slates"], rounded["requests"]
        say(f"{out_file}: bfloat16 changes {share:.2%} of the slates of {requests} requests")
