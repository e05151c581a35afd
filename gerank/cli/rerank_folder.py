"""`gerank rerank` where --input is a folder: Parquet files in, Parquet files out."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import typer
from rich.progress import Progress

from gerank.cli.console import err, say
from gerank.scoring.engine_choice import ScoringEngine
from gerank.unknown_features import UnknownFeatures


class FolderOptions(NamedTuple):
    """The options that only a folder has; None or False where they are not given."""

    engine: ScoringEngine | None
    workers: int | None
    ray_address: str | None
    overwrite: bool

    def refuse(self, source: Path) -> None:
        """Refuses those that are given, as `source` is no folder."""
        for option, value in zip(self._fields, self, strict=True):
            if value:
                name = option.replace("_", "-")
                raise typer.BadParameter(
                    f"--{name} is of no use where --input is no folder, got '{source}'"
                )


def rerank_folder(
    source: Path,
    target: Path,
    model: Path | None,
    options: FolderOptions,
    *,
    unknown: UnknownFeatures,
    skip_bad: bool,
) -> None:
    """Scores a folder and says how it went."""
    if model is None:
        raise typer.BadParameter("--server is of no use where --input is a folder; give --model")
    if options.ray_address and options.engine is not ScoringEngine.RAY:
        raise typer.BadParameter(
            f"--ray-address is of no use without --engine ray, got '{options.ray_address}'"
        )
    from gerank.scoring.score_folder import Means, new_job, score_folder

    given = Means()
    means = Means(
        options.engine or given.engine, options.workers, options.ray_address or given.ray_address
    )
    job = new_job(source, target, model, unknown, skip_bad)
    with Progress(console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task("rerank")
        done = score_folder(
            job,
            means,
            options.overwrite,
            lambda files, total: bar.update(task, completed=files, total=total),
        )
    if done.left_out:
        say(f"{done.left_out} rows left out: {job.left_out_of('').parent}", err)
    kept = f", {done.kept} of {done.files} files were there already" if done.kept else ""
    say(f"{done.slates} slates in {done.files - done.kept} files{kept}: {target}")
