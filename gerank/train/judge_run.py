"""Judges the generator of a run on pages of people that it has not seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.train.boosted_judge import BoostedJudge, BoostedJudgeError, boosted_judge_available
from gerank.train.evaluator_training import Training
from gerank.train.feedback import EvaluatorFeedback, Feedback, WithHeads
from gerank.train.feedback_checkpoint import JUDGE, load_heads
from gerank.train.judge import opinion, panel_feedback
from gerank.train.orders import exposed_slates, generated_slates, shown_length
from gerank.train.page_batches import by_page
from gerank.train.processes import current
from gerank.train.reading_choice import ReadingChoice
from gerank.train.run_folder import RunFolder
from gerank.train.verdict import BOOSTED, Judgement, judge_slates

_PAGES_AT_ONCE = 1024
_BOOSTED_MEMBERS = 3


def judge_run(folder: RunFolder, log: ExposureLog) -> Judgement:
    """The verdict on the generator's greedy slates of `log`, with the default weights.

    Args:
        folder: The run; evaluator and judge are trained.
        log: Pages of people that neither the generator nor the judge learnt from.
    """
    config = folder.config
    default = torch.tensor([utility.default for utility in config.reward.values()])
    logged = exposed_slates(log, config.data.slots)
    slates = generated_slates(folder.load_generator(), log, config.data.slots, default)
    return judge_policy(folder, log, shown_length(slates, logged), logged)


def judge_policy(
    folder: RunFolder,
    log: ExposureLog,
    slates: Tensor,
    logged: Tensor,
) -> Judgement:
    """The verdict on any slates [E, N] of the pages of `log`, against the logged ones [E, N]."""
    config = folder.config
    default = torch.tensor([utility.default for utility in config.reward.values()])
    weights = default / folder.scales
    judges = judges_of(folder)
    opinions = [
        opinion(name, members, log, slates, logged, config.reward, weights)
        for name, members in judges.items()
    ]
    choice = ReadingChoice.from_json(folder.facts["reading"])
    outside = share_outside(EvaluatorFeedback(folder.load_evaluator()), log, slates)
    return judge_slates(choice.learnt, opinions, outside, len(np.unique(log.person_ids)))


def judges_of(folder: RunFolder) -> dict[str, list[Feedback]]:
    """Name of each judge of a run -> its members, with the heads of the judge's people."""
    heads = load_heads(folder, JUDGE)
    panel = panel_feedback(folder.load_judge()) | boosted_judge(folder)
    return {name: [WithHeads(each, heads) for each in of] for name, of in panel.items()}


def share_outside(feedback: EvaluatorFeedback, log: ExposureLog, slates: Tensor) -> float:
    """Share of the filled slots of `slates` [E, N] that hold strengths the log never showed."""
    strengths = slate_strengths(feedback, log, slates)
    return feedback.evaluator.support.outside(strengths, slates >= 0)


def slate_strengths(feedback: EvaluatorFeedback, log: ExposureLog, slates: Tensor) -> Tensor:
    """[E, N] the items' own parts of the logits at the slots of `slates` [E, N], 0 where empty."""

    def told(rows: np.ndarray) -> tuple[Tensor]:
        return (feedback.strength(log.batch(rows), slates[rows].unsqueeze(1))[:, 0],)

    return by_page(log, np.arange(len(log)), _PAGES_AT_ONCE, told)[0]


def train_boosted_judge(training: Training) -> None:
    """Fits the judge of another family where it is asked for and installed, and keeps it.

    Where several processes train, the first one fits it, for its trees are no sums of what parts of
    the pages say. Pages that no trees can be fitted on (one-class feedback, one person) leave the
    run without it.
    """
    folder, split = training.folder, training.split
    config = folder.config
    if not (config.judge.boosted and boosted_judge_available() and len(split.judge)):
        return

    def fitted() -> dict[str, Any] | str:
        try:
            judge = BoostedJudge(
                training.log,
                split.judge,
                split.validation,
                config.data.slots,
                score=config.data.score,
                bootstrap=_BOOSTED_MEMBERS,
                seed=config.seed,
                threads=max(1, torch.get_num_threads()),
            )
        except BoostedJudgeError as error:
            return str(error)
        return judge.to_json()

    judge = current().told_by_first(fitted)
    if isinstance(judge, str):
        folder.write_facts({"boosted_judge": {"left_out": judge}})
    else:
        folder.write_boosted(judge)


def boosted_judge(folder: RunFolder) -> dict[str, list[Feedback]]:
    """The run's judge of another family: name -> members; empty where there is none."""
    document = folder.read_boosted()
    if document is None or not boosted_judge_available():
        return {}
    return {BOOSTED: BoostedJudge.from_json(folder.schema, document).members()}
