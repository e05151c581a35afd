"""Measures what `gerank.train.warnings` checks, at the end of a run."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.metrics.calibration import calibration_bins, expected_calibration_error
from gerank.metrics.midranks import midranks
from gerank.nn.generator import Generator
from gerank.train import warnings
from gerank.train.evaluator_tables import LoggedPages, auc_within_pages, page_heads
from gerank.train.evaluator_training import Training
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.judges import PageJudge
from gerank.train.orders import exposed_slates
from gerank.train.page_batches import at_most
from gerank.train.verdict import Judgement
from gerank.train.warnings import RunWarning


def run_warnings(training: Training, judgement: Judgement) -> list[RunWarning]:
    """All that may be wrong with a trained run, in the order in which one would look at it."""
    folder, log, split = training.folder, training.log, training.split
    slots = folder.config.data.slots
    evaluator = EvaluatorFeedback(folder.load_evaluator())
    taught = log.select(at_most(split.train))
    logged = LoggedPages.of(taught, slots)
    numbers = numbers_outside_of_tables(folder.new_generator())
    unseen = log.select(split.judge if len(split.judge) else split.validation)
    found = [
        warnings.one_class_feedback(int((logged.clicks > 0).sum()), int(logged.filled.sum())),
        warnings.too_few_pages(len(split.train), numbers),
        warnings.unlogged_slots(logged.filled.mean(0).tolist()),
        warnings.unseen_above(share_below_others(taught), folder.config.evaluator.network),
        warnings.no_exploration(sortedness(taught)),
        warnings.auc_of_a_coin(within_page_auc(evaluator, log.select(training.held_out), slots)),
        *_miscalibration(evaluator, unseen, slots),
        warnings.disagreement(judgement),
        warnings.off_support(judgement),
    ]
    return [warning for warning in found if warning is not None]


def share_below_others(log: ExposureLog) -> float:
    """The share of the pages that something stands above."""
    return 0.0 if log.above is None else float((np.diff(log.above.offsets) > 0).mean())


def numbers_outside_of_tables(generator: Generator) -> int:
    """How many numbers a generator learns, the embeddings of ids left out."""
    return sum(
        parameter.numel()
        for name, parameter in generator.named_parameters()
        if "embedding" not in name
    )


def sortedness(log: ExposureLog) -> dict[str, float]:
    """Dense candidate feature -> mean Spearman correlation of slot and feature within pages.

    Positive where the feature rises down the page. Pages whose shown items all have one value say
    nothing of it; a feature that no page tells of is left out.
    """
    lengths = np.diff(log.slate_offsets)
    page = np.repeat(np.arange(len(log)), lengths)
    slot = np.arange(len(page)) - log.slate_offsets[:-1][page]
    places = log.candidate_offsets[:-1][page] + log.slates
    found = {}
    for feature in log.schema.candidate_dense:
        values = np.asarray(log.candidate[feature.name][places], np.float64)
        correlations = _rank_correlations(slot.astype(np.float64), values, page, len(log))
        if not np.isnan(correlations).all():
            found[feature.name] = float(np.nanmean(correlations))
    return found


def within_page_auc(evaluator: EvaluatorFeedback, log: ExposureLog, slots: int) -> float | None:
    """Mean AUC among the slots of a page; None where no page has clicked and other slots."""
    judge = PageJudge(evaluator, log, {})
    _, slot = judge.feedback(exposed_slates(log, slots))
    within = auc_within_pages(LoggedPages.of(log, slots), slot.numpy())
    return None if np.isnan(within).all() else float(np.nanmean(within))


def calibration_error_by_chance(labels: NDArray[np.bool_], said: NDArray[np.floating]) -> float:
    """The calibration error that calibrated predictions would have: bins of few pages are noisy.

    The rate observed in a bin of n pages lies sqrt(2 p (1 - p) / (pi n)) from p on average.
    """
    bins = calibration_bins(labels, said)
    off = np.sqrt(2 * bins.predicted * (1 - bins.predicted) / (math.pi * bins.examples))
    return float(np.average(off, weights=bins.examples))


def _miscalibration(
    evaluator: EvaluatorFeedback, log: ExposureLog, slots: int
) -> list[RunWarning | None]:
    clicks = LoggedPages.of(log, slots).clicks.sum(1)
    heads = page_heads(evaluator, log, exposed_slates(log, slots))
    checks = []
    for name, least, said in zip(("any click", "two or more clicks"), (1, 2), heads, strict=True):
        labels = clicks >= least
        error = expected_calibration_error(labels, said)
        chance = calibration_error_by_chance(labels, said)
        checks.append(warnings.miscalibration(name, error, chance))
    return checks


def _rank_correlations(
    first: NDArray[np.float64], second: NDArray[np.float64], group: NDArray[np.int64], count: int
) -> NDArray[np.float64]:
    """[count] Spearman correlation within each group; NaN where one of the two is constant."""
    sizes = np.bincount(group, minlength=count)
    centred = [midranks(values, group) - (sizes[group] + 1) / 2 for values in (first, second)]
    product = np.bincount(group, weights=centred[0] * centred[1], minlength=count)
    squares = [np.bincount(group, weights=ranks**2, minlength=count) for ranks in centred]
    spread = np.sqrt(squares[0] * squares[1])
    undefined = np.full(count, np.nan)
    correlation: NDArray[np.float64] = np.divide(product, spread, out=undefined, where=spread > 0)
    return correlation
