"""From the folder of a training run to an artifact."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from gerank.export.artifact import Artifact, write_artifact
from gerank.train.config_toml import to_toml
from gerank.train.run_folder import RunFolder


def export_run(run: Path, path: Path) -> Artifact:
    """Writes the best generator of the run `run` to `path`.

    Raises:
        RunError: `run` is no finished run.
        ArtifactError: What was written does not pass its checks.
    """
    folder = RunFolder.open(run)
    facts = {"config": to_toml(folder.config), "metrics": _last_metrics(folder.path)}
    generator = folder.load_generator()
    return write_artifact(generator, folder.contract, path, name=run.resolve().name, training=facts)


def _last_metrics(run: Path) -> dict[str, Any]:
    """`stage.metric` -> value of the last epoch."""
    table = run / "metrics.csv"
    if not table.exists():
        return {}
    with table.open(newline="") as file:
        rows = csv.DictReader(file)
        return {f"{row['stage']}.{row['metric']}": float(row["value"]) for row in rows}
