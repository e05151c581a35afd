"""Evaluator and judges of a comparison, and what they say of slates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.compare.config import CompareConfig, TunedBy
from gerank.data.exposure_log import ExposureLog
from gerank.metrics.ndcg import ndcg_at_k
from gerank.train.device import CPU, devices_told
from gerank.train.evaluate import default_weights
from gerank.train.evaluator_training import Training
from gerank.train.feedback import EvaluatorFeedback, WithHeads
from gerank.train.feedback_checkpoint import load_heads
from gerank.train.judge import mean_feedback
from gerank.train.judge_run import judges_of
from gerank.train.judges import PageJudge
from gerank.train.log_identity import LogIdentity
from gerank.train.orders import exposed_slates, shown_length
from gerank.train.pages import PageSplit
from gerank.train.run_folder import RunFolder
from gerank.train.setting_rules import ConfigError
from gerank.train.stage import MetricsLog
from gerank.train.train import learn_judges

_LARGEST_SET = 512


def train_judges(
    config: CompareConfig,
    log: ExposureLog,
    split: PageSplit,
    folder: Path,
    device: torch.device = CPU,
) -> None:
    """Trains evaluator and judges on a device; one that was begun goes on.

    Raises:
        RunError: The folder holds another run.
    """
    run = RunFolder(folder, config.judges, log.schema, _LARGEST_SET, device)
    run.create(resume=True, log=LogIdentity.of(log))
    if run.finished:
        return
    run.write_facts({"device": devices_told(run.facts.get("device"), device)})
    metrics = MetricsLog(folder)
    try:
        learn_judges(Training(run, log, split, metrics, resume=True))
    finally:
        metrics.close()
    run.write_facts({"finished": True})


def judged_rewards(
    folder: RunFolder, log: ExposureLog, slates: Tensor
) -> dict[str, NDArray[np.float64]]:
    """Judge -> reward [E] of the slates [E, N], cut to the length that was shown.

    Where a run has no judge, as without `data.judge_share`, nobody says anything.
    """
    weights = default_weights(folder) / folder.scales
    return {
        name: judge.rewards(slates, weights).double().numpy()
        for name, judge in page_judges(folder, log).items()
    }


def predicted_clicks(
    folder: RunFolder, log: ExposureLog, slates: Tensor
) -> NDArray[np.float32] | None:
    """[E, N] clicks that the first judge expects in slates [E, N]; None where there is no judge."""
    for judge in page_judges(folder, log).values():
        expected: NDArray[np.float32] = judge.feedback(slates)[1].numpy()
        return expected
    return None


def evaluator_judge(folder: RunFolder, log: ExposureLog) -> PageJudge:
    """The evaluator that tunes; it has seen what the comparators have seen."""
    evaluator = WithHeads(EvaluatorFeedback(folder.load_evaluator()), load_heads(folder))
    return PageJudge(evaluator, log, folder.config.reward)


def page_judges(folder: RunFolder, log: ExposureLog) -> dict[str, PageJudge]:
    """The judges by name, each the mean of its members."""
    return {
        name: PageJudge(mean_feedback(members), log, folder.config.reward)
        for name, members in judges_of(folder).items()
    }


def validation_score(
    config: CompareConfig, folder: RunFolder | None, log: ExposureLog, slates: Tensor
) -> float:
    """What is to be largest on validation pages.

    Args:
        config: Says by whom slates are scored.
        folder: The run of the evaluator; None = it is not asked.
        log: The validation pages.
        slates: [V, N].

    Raises:
        ConfigError: NDCG is to choose, and no page has a click.
    """
    cut = shown_length(slates, exposed_slates(log, config.data.slots))
    if config.tuning.by is TunedBy.NDCG or folder is None:
        ndcg = logged_ndcg(log, cut.numpy())
        if np.isnan(ndcg).all():
            raise ConfigError(
                f"tuning.by: none of the {len(log)} validation pages has a click, so that NDCG "
                "chooses nothing"
            )
        return float(np.nanmean(ndcg))
    weights = default_weights(folder) / folder.scales
    return evaluator_judge(folder, log).rewards(cut, weights).mean().item()


def logged_ndcg(log: ExposureLog, slates: NDArray[np.int64]) -> NDArray[np.float64]:
    """[E] NDCG of slates [E, N] by the logged clicks; NaN where a page has none."""
    shown = log.shown(np.arange(len(log)))
    widest = int(np.diff(log.candidate_offsets).max())
    relevance = torch.zeros(len(log), widest)
    relevance.scatter_add_(1, shown.slates.clamp(min=0), shown.clicks * (shown.slates >= 0))
    return ndcg_at_k(relevance.numpy(), slates)
