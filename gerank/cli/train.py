"""`gerank train`: evaluator, judge, generator and the verdict on it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import say, show_verdict, show_warnings


def train(
    config: Annotated[Path, typer.Argument(help="TOML file of the run.")],
    out_dir: Annotated[
        Path | None, typer.Option("--out", help="Folder of the run. Default: runs/<config name>.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on from the last checkpoint.")] = False,
    init: Annotated[
        Path | None,
        typer.Option(help="Folder of an earlier run to take weights from, features by name."),
    ] = None,
) -> None:
    """Train on an exposure log: the evaluator, then the generator against it, then the verdict.

    The verdict is better, not better, or nothing to learn; `gerank export` acts on it. The folder
    explains itself: run.html, and `gerank info`. Started by torchrun, all its processes train one
    run.

    Example:  gerank train simulator.toml --out runs/first

    Example:  torchrun --nproc-per-node 4 -m gerank train simulator.toml --out runs/first
    """
    from gerank.report.run import write_run_page
    from gerank.train.conclusions import verdict_of, warnings_of
    from gerank.train.config_toml import read_config
    from gerank.train.processes import joined
    from gerank.train.train import train as run

    out = out_dir or Path("runs") / config.stem
    with joined() as processes:
        tell = say if processes.is_first else None
        settings = read_config(config)
        folder = run(settings, out, resume=resume, init=init, tell=tell, config_file=config)
    if not processes.is_first:
        return
    page = write_run_page(folder)
    say(f"run: {folder.path} ({page.name}, metrics.csv; tensorboard --logdir {folder.path})")
    show_warnings(warnings_of(folder))
    judgement = verdict_of(folder)
    if judgement is not None:
        show_verdict(judgement)
