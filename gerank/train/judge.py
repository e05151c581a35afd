"""The judge: structured evaluators of other people, resampled, under every form that ties."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.nn.structured import PageEvaluator
from gerank.train.config import UtilityConfig
from gerank.train.evaluator_training import Training, fresh_ensemble
from gerank.train.feedback import Feedback, MeanFeedback, StructuredFeedback
from gerank.train.judges import PageJudge
from gerank.train.reading_choice import ReadingChoice, paired_margin
from gerank.train.stage import run_stage
from gerank.train.structured_stage import StructuredStage

_ERRORS_BELOW = 2.0
"""A lower bound lies so many standard errors below the mean."""


@dataclass(frozen=True)
class JudgeOpinion:
    """What one judge says of slates, compared with the logged pages.

    Attributes:
        name: The name of the judge.
        gain: Mean reward of the slates minus that of the logged pages, per page.
        low: Lower bound of the gain: two standard errors below, of the judge's bootstraps and of
            the pages together.
        better: Share of the pages whose slate has the larger reward, 0..1.
    """

    name: str
    gain: float
    low: float
    better: float

    @property
    def high(self) -> float:
        """Upper bound of the gain, as far above it as `low` is below."""
        return 2 * self.gain - self.low


def train_judge(training: Training, choice: ReadingChoice) -> dict[str, PageEvaluator]:
    """Fits one ensemble per tied form on the judge's people and writes them; form -> ensemble.

    It starts fresh in every run, a warm one too: weights of an earlier run would carry over what
    the earlier evaluator and judge were chosen by, and the verdict must not depend on that.
    """
    folder, rows = training.folder, training.split.judge
    config = folder.config
    weights = bootstrap_weights(
        training.log.person_ids[rows], config.judge.bootstraps, config.seed + 1
    )
    panel = {}
    for form in choice.tied:
        torch.manual_seed(config.seed + 1)
        ensemble = fresh_ensemble(training, form, config.judge.bootstraps, rows)
        stage = StructuredStage(
            f"judge-{form.replace(':', '.')}",
            ensemble,
            training.log,
            rows,
            training.split.validation,
            torch.full((config.judge.bootstraps,), choice.prior_strength),
            steps=config.evaluator.steps,
            seed=config.seed + 1,
            page_weights=weights,
            device=folder.device,
            accumulate=config.train.accumulate,
        )
        run_stage(stage, folder, training.metrics, training.resume)
        stage.restore_best()
        panel[form] = ensemble
    folder.write_judge(panel)
    return panel


def bootstrap_weights(people: np.ndarray, members: int, seed: int) -> Tensor:
    """[K, E] how often each page counts: people are drawn anew for every member.

    Poisson draws with mean 1 stand for resampling with replacement (Oza and Russell, "Online
    bagging and boosting", 2001).
    """
    codes = np.unique(people, return_inverse=True)[1]
    drawn = np.random.default_rng(seed).poisson(1.0, size=(members, codes.max(initial=0) + 1))
    empty = drawn.sum(1) == 0
    drawn[empty] = 1
    return torch.from_numpy(drawn[:, codes].astype(np.float32))


def members_of(ensemble: PageEvaluator) -> list[Feedback]:
    """Every member of an ensemble as a feedback of its own."""
    count = ensemble.shape.members
    return [StructuredFeedback(ensemble.select(torch.tensor([k]))) for k in range(count)]


def panel_feedback(panel: Mapping[str, PageEvaluator]) -> dict[str, list[Feedback]]:
    """Name of each judge -> its members."""
    return {f"judge ({form})": members_of(ensemble) for form, ensemble in panel.items()}


def mean_feedback(members: list[Feedback]) -> MeanFeedback:
    """What a judge says on the whole."""
    return MeanFeedback(members)


def opinion(
    name: str,
    members: list[Feedback],
    log: ExposureLog,
    slates: Tensor,
    logged: Tensor,
    reward: Mapping[str, UtilityConfig],
    weights: Tensor,
) -> JudgeOpinion:
    """What a judge's members say of `slates` [E, N] against the `logged` ones [E, N].

    Args:
        name: The name of the judge.
        members: Its ensemble.
        log: The E pages.
        slates: The slates to judge.
        logged: What was shown, cut and padded alike.
        reward: The utilities.
        weights: [U]. Preference weights over the scales.
    """
    both = [member_rewards(members, log, order, reward, weights) for order in (slates, logged)]
    return opinion_of_gains(name, both[0] - both[1], log.person_ids)


def member_rewards(
    members: list[Feedback],
    log: ExposureLog,
    slates: Tensor,
    reward: Mapping[str, UtilityConfig],
    weights: Tensor,
) -> Tensor:
    """[K, E] reward of the slates [E, N] by every member; the arguments are as in `opinion`."""
    judges = [PageJudge(member, log, reward) for member in members]
    return torch.stack([judge.rewards(slates, weights).double() for judge in judges])


def opinion_of_gains(name: str, gains: Tensor, people: np.ndarray) -> JudgeOpinion:
    """The opinion of a judge from the gains [K, E] by member and page; `people` [E] own them."""
    per_page = gains.mean(0)
    variance = gains.mean(1).var().item() if len(gains) > 1 else 0.0
    values = per_page.numpy()
    variance += paired_margin(values, np.zeros_like(values), people).error ** 2
    gain = per_page.mean().item()
    better = (per_page > 0).double().mean().item()
    return JudgeOpinion(name, gain, gain - _ERRORS_BELOW * variance**0.5, better)
