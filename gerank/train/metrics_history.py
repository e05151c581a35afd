"""What `gerank.train.stage.MetricsLog` wrote of a run, read again."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path

from gerank.train.run_folder import RunError

Curve = dict[int, float]
"""Epoch -> value, in the order of the epochs."""

SCORE = "score"
"""The metric that chooses the epoch whose parameters a stage keeps: the first of the highest."""


@dataclass(frozen=True)
class StageHistory:
    """One stage of a run.

    Attributes:
        name: As in checkpoints.
        curves: Metric -> its values, in the order in which they were written.
    """

    name: str
    curves: dict[str, Curve]

    @property
    def epochs(self) -> list[int]:
        """The epochs of which anything is known."""
        return sorted({epoch for curve in self.curves.values() for epoch in curve})

    @property
    def best_epoch(self) -> int:
        """The epoch whose parameters the stage keeps."""
        score = self.curves[SCORE]
        return max(score, key=lambda epoch: (score[epoch], -epoch))


def read_history(run: Path) -> list[StageHistory]:
    """The stages of a run in their order; empty where none has come to the end of an epoch yet.

    An epoch that was trained again, as after a kill, has its last figures.

    Raises:
        RunError: The table is damaged; the line is named.
    """
    path = run / "metrics.csv"
    if not path.exists():
        return []
    stages: dict[str, dict[str, Curve]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        reader = csv.DictReader(file)
        for row in reader:
            try:
                curves = stages.setdefault(row["stage"], {})
                curves.setdefault(row["metric"], {})[int(row["epoch"])] = float(row["value"])
            except (KeyError, TypeError, ValueError) as error:
                raise RunError(f"{path}: line {reader.line_num}: {error}") from None
    return [StageHistory(name, curves) for name, curves in stages.items() if SCORE in curves]
