"""`gerank calibrate`: an artifact for a new upstream model, without retraining."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gerank.cli.console import say, show


def calibrate(
    file: Annotated[Path, typer.Argument(help="An artifact trained with data.calibrated.")],
    data: Annotated[
        Path, typer.Option(help="Folder of an exposure log with the scores of the new upstream.")
    ],
    out_file: Annotated[Path, typer.Option("--out", help="The artifact to write.")],
) -> None:
    """Refit the monotone maps of upstream scores to fresh pages; nothing else changes.

    Example:  gerank calibrate model.gerank --data data/fresh --out recalibrated.gerank
    """
    from gerank.data.exposure_log import ExposureLog
    from gerank.export.recalibrate import recalibrate
    from gerank.train.report import Table

    artifact, report = recalibrate(file, ExposureLog.read(data), out_file)
    rows = tuple(
        (entry.score, entry.slots, entry.error_before, entry.error_after) for entry in report
    )
    columns = ("score", "shown slots", "before", "after")
    show(Table("Expected calibration error, people not fitted to", columns, rows))
    say(f"{out_file}: {artifact.model_version}, golden requests passed")
