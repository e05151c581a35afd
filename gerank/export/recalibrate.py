"""Refits an artifact's maps of upstream scores to fresh pages, without retraining."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.export.artifact import Artifact, ArtifactError, load_artifact, save_artifact
from gerank.export.manifest import calibration_document, model_version
from gerank.export.precision import precision_of
from gerank.metrics.calibration import expected_calibration_error
from gerank.metrics.isotonic import MonotoneCurve
from gerank.nn.packed_page import rewrite_maps
from gerank.train.calibrate import fit_score, stacked


@dataclass(frozen=True)
class Recalibration:
    """One score, before and after.

    Attributes:
        score: The dense candidate feature.
        slots: Shown slots that the new map was fitted to.
        error_before: Expected calibration error of the old map, on every fifth person.
        error_after: Is the error, on the same people, of a new map fitted to the others.
    """

    score: str
    slots: int
    error_before: float
    error_after: float


def recalibrate(path: Path, log: ExposureLog, out: Path) -> tuple[Artifact, list[Recalibration]]:
    """Writes `path` to `out` with maps fitted to `log`; nothing else of the model changes.

    Args:
        path: An artifact that was trained with `data.calibrated`.
        log: Pages shown with the scores of the new upstream model.
        out: The new artifact; may be `path`.

    Raises:
        ArtifactError: The artifact has no maps, or the log lacks one of its scores.
        ConfigError: A score of the log is the same everywhere.
    """
    artifact = load_artifact(path)
    old: Mapping[str, Any] = artifact.manifest.get("calibration", {})
    if not old:
        raise ArtifactError(f"{path}: has no map of a score: train with data.calibrated first")
    _check_log(path, artifact.contract.schema, list(old), log)
    curves, report = {}, []
    for name, document in old.items():
        fit = fit_score(name, log)
        labels, scores = fit.held_out
        before = MonotoneCurve(np.array(document["knots"]), np.array(document["log_odds"]))
        error = expected_calibration_error(labels, before.probability(scores))
        report.append(Recalibration(name, len(log.slates), error, fit.held_out_error))
        curves[name] = fit.curve
    knots, values = stacked(list(curves.values()))
    calibration = artifact.module.features.calibration
    with torch.no_grad():
        calibration.knots.copy_(knots)
        calibration.values.copy_(values)
    page = getattr(artifact.module, "page", None)  # artifacts from before rank_page have none
    if page is not None and page.numel() > 0:  # nor has an encoder of one's own
        rewrite_maps(page, knots, values)
    name = artifact.model_version.rpartition("-")[0]
    precision, presets = precision_of(artifact.manifest), artifact.contract.presets
    manifest = artifact.manifest | {
        "model_version": model_version(name, artifact.module, presets, precision),
        "calibration": calibration_document(list(curves), knots, values),
    }
    return save_artifact(artifact.module, artifact.contract, manifest, out, precision), report


def _check_log(path: Path, schema: FeatureSchema, scores: list[str], log: ExposureLog) -> None:
    if not len(log.slates):
        raise ArtifactError(f"{path}: the log has no shown slots to fit its maps to")
    known = [feature.name for feature in log.schema.candidate_dense]
    for name in scores:
        if name not in known:
            raise ArtifactError(
                f"{path}: the log has no dense candidate feature {name!r}; it has "
                f"{', '.join(known)}"
            )
