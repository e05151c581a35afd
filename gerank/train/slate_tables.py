"""What judges say of the slates of every policy, and how far these leave what was logged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorTruth
from gerank.metrics.better import better_percentage
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.judge import JudgeOpinion
from gerank.train.judge_run import share_outside
from gerank.train.judges import PageJudge, true_clicks
from gerank.train.report import Cell, Table, mean_cell

Opinions = Mapping[str, Mapping[str, JudgeOpinion]]
"""Judge -> policy -> what the one says of the other."""

Rewards = Mapping[str, Mapping[str, NDArray[np.float64]]]
"""Judge -> policy -> [E] the reward of its slate of every page."""

TRUTH = "truth (clicks)"
"""The name of the truth among judges: its reward is the number of clicks."""


@dataclass(frozen=True)
class SlateSources:
    """Who has a say on slates.

    Attributes:
        judges: Name -> evaluator, judges' means among them.
        opinions: Come from the judges that have a lower bound.
        truth: Belongs to the same pages, where they are simulated.
    """

    judges: Mapping[str, PageJudge]
    opinions: Opinions
    truth: SimulatorTruth | None


def slate_rewards(
    slates: Mapping[str, Tensor], sources: SlateSources, weights: Tensor
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """What every judge gives the slates of every policy, page by page; the truth comes last.

    Args:
        slates: Policy -> [E, N] int64, `logged` among them.
        sources: Who judges.
        weights: [U]. Preference weights over the scales.
    """
    rewards = {
        title: {name: judge.rewards(order, weights) for name, order in slates.items()}
        for title, judge in sources.judges.items()
    }
    if sources.truth is not None:
        truth = sources.truth
        rewards[TRUTH] = {name: true_clicks(truth, order) for name, order in slates.items()}
    return {
        title: {name: reward.double().numpy() for name, reward in by_policy.items()}
        for title, by_policy in rewards.items()
    }


def reward_table(rewards: Rewards, opinions: Opinions, log: ExposureLog) -> Table:
    """Reward per page, its paired difference from the logged one, and better percentage.

    The lower bound of a judge's gain counts in what the judge itself does not know; the interval of
    the difference is of the pages alone. By the truth the reward is the number of clicks.

    Args:
        rewards: As `slate_rewards` gives them, of the policy `logged` among others.
        opinions: Come from the judges that have a lower bound.
        log: The E pages.
    """
    rows: list[tuple[Cell, ...]] = []
    for title, by_policy in rewards.items():
        logged = by_policy["logged"]
        for name, values in by_policy.items():
            gain, low, better = None, None, None
            if name != "logged":
                gain = mean_cell(values - logged, log.person_ids)
                better = better_percentage(values, logged)
                opinion = opinions.get(title, {}).get(name)
                low = None if opinion is None else opinion.low
            rows.append((title, name, mean_cell(values, log.person_ids), gain, low, better))
    columns = ("judge", "slates", "reward per page", "minus logged", "lower bound", "better, %")
    return Table("Slates by their judges", columns, tuple(rows))


def utility_table(
    slates: Mapping[str, Tensor], judges: Mapping[str, PageJudge], names: list[str]
) -> Table:
    """Mean of every utility, in its own unit."""
    rows: list[tuple[Cell, ...]] = []
    for title, judge in judges.items():
        for policy, order in slates.items():
            rows.append((title, policy, *judge.utilities(order).double().mean(0).tolist()))
    return Table("Utilities per page", ("judge", "slates", *names), tuple(rows))


def support_table(
    slates: Mapping[str, Tensor], evaluator: EvaluatorFeedback, log: ExposureLog
) -> tuple[Table, dict[str, float]]:
    """How far each policy leaves the log, and the shares of slots outside of its support, 0..1.

    No judge has seen what an item of such a strength does at such a slot; the log itself has .02.
    """
    logged = slates["logged"]
    outside = {name: share_outside(evaluator, log, order) for name, order in slates.items()}
    rows: list[tuple[Cell, ...]] = []
    for name, order in slates.items():
        filled = order >= 0
        same = ((order == logged) & filled).sum().item() / max(1, int(filled.sum()))
        rows.append((name, 100.0 * outside[name], 100.0 * same))
    columns = ("slates", "slots of a strength never logged there, %", "slots as logged, %")
    return Table("Slates and what the log has shown", columns, tuple(rows)), outside
