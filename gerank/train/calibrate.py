"""Fits the monotone maps of upstream scores to what users clicked."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.metrics.calibration import expected_calibration_error
from gerank.metrics.isotonic import MonotoneCurve, fit_monotone_curve
from gerank.nn.calibration import KNOTS, ScoreCalibration
from gerank.train.page_batches import at_most
from gerank.train.setting_rules import ConfigError

_FOLDS = 5


@dataclass(frozen=True)
class ScoreFit:
    """One score's new map.

    Attributes:
        curve: Fitted to all pages.
        held_out_error: Expected calibration error on people that the fit did not see: every fifth
            person, by a map that was fitted to the others.
        held_out: The examples that error is of, as `shown_scores` gives them.
    """

    curve: MonotoneCurve
    held_out_error: float
    held_out: tuple[NDArray[np.float32], NDArray[np.float32]]


def fit_calibration(
    calibration: ScoreCalibration, names: tuple[str, ...], log: ExposureLog, rows: np.ndarray
) -> None:
    """Fits the maps of the features `names` to the pages `rows` of `log`.

    Raises:
        ConfigError: A score of `data.calibrated` is the same for everybody.
    """
    if not names:
        return
    curves = [fit_score(name, log.select(at_most(rows))).curve for name in names]
    calibration.set_maps(*stacked(curves))


def fit_score(name: str, log: ExposureLog) -> ScoreFit:
    """Fits the map of one score.

    Raises:
        ConfigError: Fewer than two scores differ.
    """
    labels, scores, people = shown_scores(name, log)
    other = np.unique(people, return_inverse=True)[1] % _FOLDS == 0
    if other.all() or not other.any():
        other = np.arange(len(labels)) % _FOLDS == 0
    try:
        curve = fit_monotone_curve(labels, scores, KNOTS)
        part = fit_monotone_curve(labels[~other], scores[~other], KNOTS)
    except ValueError as error:
        raise ConfigError(f"data.calibrated: {name!r}: {error}") from None
    miss = expected_calibration_error(labels[other], part.probability(scores[other]))
    return ScoreFit(curve, miss, (labels[other], scores[other]))


def shown_scores(
    name: str, log: ExposureLog
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.str_]]:
    """Click, score and person of every shown slot, each [sum N]."""
    shown = np.diff(log.slate_offsets)
    first = np.repeat(log.candidate_offsets[:-1], shown)
    return log.clicks, log.candidate[name][first + log.slates], np.repeat(log.person_ids, shown)


def stacked(curves: list[MonotoneCurve]) -> tuple[torch.Tensor, torch.Tensor]:
    """Knots and values [S, K], as `ScoreCalibration.set_maps` takes them."""
    knots = np.stack([curve.scores for curve in curves])
    values = np.stack([curve.log_odds for curve in curves])
    return torch.from_numpy(knots).float(), torch.from_numpy(values).float()
