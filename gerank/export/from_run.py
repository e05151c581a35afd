"""From the folder of a training run to an artifact, if its verdict allows."""

from __future__ import annotations

import csv
from enum import StrEnum
from pathlib import Path
from typing import Any

from gerank.export.artifact import Artifact, write_artifact
from gerank.export.held_out import held_out_requests
from gerank.export.precision import Precision
from gerank.export.presets import read_presets
from gerank.train.conclusions import check_stage, verdict_of
from gerank.train.config_toml import to_toml
from gerank.train.run_folder import RunFolder
from gerank.train.utilities import utility_kind
from gerank.train.verdict import Judgement, Verdict


class Policy(StrEnum):
    """What of a run is exported.

    Attributes:
        GENERATOR: The generator; the verdict is on it.
        CLONE: The logged-like policy, which shows what was shown and promises nothing.
    """

    GENERATOR = "generator"
    CLONE = "clone"


class ExportRefusedError(ValueError):
    """A generator that is not believed to be better than what was logged."""


def export_run(
    run: Path,
    path: Path,
    presets: Path | None = None,
    *,
    force: bool = False,
    policy: str = Policy.GENERATOR,
    unfinished: bool = False,
    precision: str = Precision.FLOAT32,
) -> Artifact:
    """Writes a policy of the run `run` to `path`, with the presets of a file.

    A run that was trained with a reward of its own has no verdict and is exported without one.

    Args:
        run: The folder of the run.
        path: The artifact.
        presets: TOML or JSON file of named presets.
        force: Export a generator whose verdict is not "better" all the same. The artifact says so.
        policy: One of `Policy`.
        unfinished: Export a run whose training has not ended, as far as it came. The artifact says
            so.
        precision: One of `Precision`. Of bfloat16 the artifact says how many slates it changes, of
            the pages that validated the run where their log is still there.

    Raises:
        RunError: `run` is no finished run, and `unfinished` is unset; or its training has not come
            to the stage of the policy, which is named.
        ExportRefusedError: The verdict is not "better", and `force` is unset.
        PresetError: The file of presets is malformed, or one of them does not fit the model.
        ArtifactError: What was written does not pass its checks.
        ValueError: There is no such policy, or precision.
    """
    folder, chosen = RunFolder.open(run), Policy(policy)
    judgement = verdict_of(folder, unfinished=unfinished)
    check_stage(folder, str(chosen))
    if chosen is Policy.GENERATOR and judgement is not None and not force:
        _check(run, judgement)
    named = read_presets(presets, folder.contract) if presets else None
    facts: dict[str, Any] = {
        "config": to_toml(folder.config),
        "metrics": _last_metrics(folder.path),
        "policy": str(chosen),
    }
    if "device" in folder.facts:
        facts["device"] = folder.facts["device"]
    if not folder.finished:
        facts["unfinished"] = True
    if judgement is not None:
        facts["verdict"] = judgement.to_json()
    clone = chosen is Policy.CLONE
    return write_artifact(
        folder.load_clone() if clone else folder.load_generator(),
        folder.contract,
        path,
        name=run.resolve().name,
        training=facts,
        presets=named,
        utilities=_utilities(folder),
        precision=precision,
        requests=held_out_requests(folder) if precision == Precision.BFLOAT16 else None,
    )


def _check(run: Path, judgement: Judgement) -> None:
    if judgement.verdict is not Verdict.BETTER:
        raise ExportRefusedError(
            f"{run}: {judgement.sentence()} Export it all the same with --force, or what is like "
            f"the logged pages with --policy {Policy.CLONE}"
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
