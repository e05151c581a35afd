"""From the folder of a training run to an artifact."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from gerank.export.artifact import Artifact, write_artifact
from gerank.export.presets import read_presets
from gerank.train.config_toml import to_toml
from gerank.train.run_folder import RunFolder
from gerank.train.utilities import utility_kind


def export_run(run: Path, path: Path, presets: Path | None = None) -> Artifact:
    """Writes the best generator of the run `run` to `path`, with the presets of a file.

    Raises:
        RunError: `run` is no finished run.
        PresetError: The file of presets is malformed, or one of them does not fit the model.
        ArtifactError: What was written does not pass its checks.
    """
    folder = RunFolder.open(run)
    named = read_presets(presets, folder.contract) if presets else None
    facts = {"config": to_toml(folder.config), "metrics": _last_metrics(folder.path)}
    generator = folder.load_generator()
    return write_artifact(
        generator,
        folder.contract,
        path,
        name=run.resolve().name,
        training=facts,
        presets=named,
        utilities=_utilities(folder),
    )


def _utilities(folder: RunFolder) -> dict[str, Any]:
    """Utility -> kind and options, the scale its weight is relative to, its mean as logged."""
    statistics = folder.utility_statistics
    described = {}
    for name, config in folder.config.reward.items():
        kind, options = utility_kind(name, config, folder.schema)
        described[name] = {"utility": kind, "options": options} | statistics.get(name, {})
    return described


def _last_metrics(run: Path) -> dict[str, Any]:
    """`stage.metric` -> value of the last epoch."""
    table = run / "metrics.csv"
    if not table.exists():
        return {}
    with table.open(newline="") as file:
        rows = csv.DictReader(file)
        return {f"{row['stage']}.{row['metric']}": float(row["value"]) for row in rows}
