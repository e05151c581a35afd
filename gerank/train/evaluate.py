"""How good a run is: its evaluators, its slates by several judges, by logged clicks, a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorTruth
from gerank.train.conclusions import check_finished, check_stage
from gerank.train.config import UtilityConfig
from gerank.train.evaluator_tables import calibration_table, order_table
from gerank.train.evidence import TRAINING_EVALUATOR, Evidence
from gerank.train.feedback import EvaluatorFeedback, Feedback, WithHeads
from gerank.train.feedback_checkpoint import load_heads
from gerank.train.feedback_tables import prediction_table, promise_table
from gerank.train.greedy_on_evaluator import greedy_slates
from gerank.train.judge import (
    JudgeOpinion,
    mean_feedback,
    member_rewards,
    opinion_of_gains,
)
from gerank.train.judge_run import judges_of
from gerank.train.judges import PageJudge
from gerank.train.log_of_run import check_log
from gerank.train.logged_click_tables import clicks_table, propensity_gap, ranking_table
from gerank.train.logged_clicks import known_propensity, page_values
from gerank.train.orders import (
    exposed_slates,
    generated_slates,
    score_slates,
    shown_length,
    shuffled_slates,
)
from gerank.train.reading_choice import ReadingChoice
from gerank.train.report import Table
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.slate_tables import (
    SlateSources,
    reward_table,
    slate_rewards,
    support_table,
    utility_table,
)
from gerank.train.verdict import Judgement, judge_slates


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        tables: For people.
        slates: [E, N] int64. The generator's greedy slate of every page, -1 behind the end.
        judgement: The verdict on these pages; None of a run whose reward was no evaluator's.
        evidence: What the tables were made of.
    """

    tables: list[Table]
    slates: Tensor
    judgement: Judgement | None
    evidence: Evidence


def evaluate(
    folder: RunFolder,
    log: ExposureLog,
    truth: SimulatorTruth | None,
    named: Mapping[str, float] | None = None,
    *,
    unfinished: bool = False,
) -> Evaluation:
    """Judges a run on the pages of `log`, which should be of people it was not trained on.

    Slates are compared at the length that was shown: a longer one would win by its length.

    Args:
        folder: The run.
        log: Pages with the schema of the run.
        truth: Belongs to the same pages, row by row, where they are simulated.
        named: Utility -> preference weight; the default where not named.
        unfinished: Whether a run whose training has not ended is judged as far as it came.

    Raises:
        RunError: The run is unfinished, or has not come to its generator; the log is empty, its
            schema is not the run's, the truth is of other pages, or a weight is of no utility or
            outside of its range.
    """
    check_log(folder, log)
    check_finished(folder, unfinished=unfinished)
    check_stage(folder, "generator")
    if truth is not None and not np.array_equal(truth.page_ids, log.page_ids):
        raise RunError(f"the truth is of {len(truth)} other pages than the log's {len(log)}")
    asked = weights_of(folder, named or {})
    full = compared_slates(folder, log, asked)
    slates = {name: shown_length(order, full["logged"]) for name, order in full.items()}
    evidence = _judged(Evidence(folder, log, truth, asked, slates))
    if evidence.evaluator is None:
        tables = [reward_table(evidence.rewards, {}, log)] if evidence.rewards else []
        tables += _logged_clicks(slates, None, log)
        return Evaluation(tables, full["generator"], None, evidence)

    support, outside = support_table(slates, evidence.evaluator, log)
    tables = [*_judged_tables(evidence, support)]
    choice = ReadingChoice.from_json(folder.facts["reading"])
    said = [by_policy["generator"] for by_policy in evidence.opinions.values()]
    judgement = judge_slates(
        choice.learnt, said, outside["generator"], len(np.unique(log.person_ids))
    )
    return Evaluation(tables, full["generator"], judgement, evidence)


def _judged(unjudged: Evidence) -> Evidence:
    """The evidence with all who have a say on it, and what they say; else with the truth alone."""
    folder, log, slates = unjudged.folder, unjudged.log, unjudged.slates
    weights, reward = unjudged.asked / folder.scales, folder.config.reward
    if not folder.checkpoint("evaluator", "best").exists():
        sources = SlateSources({}, {}, unjudged.truth)
        return replace(unjudged, rewards=slate_rewards(slates, sources, weights))
    evaluator, panel = EvaluatorFeedback(folder.load_evaluator()), judges_of(folder)
    feedback: dict[str, Feedback] = {
        TRAINING_EVALUATOR: WithHeads(evaluator, load_heads(folder)),
        **{name: mean_feedback(members) for name, members in panel.items()},
    }
    judges = {name: PageJudge(of, log, reward) for name, of in feedback.items()}
    opinions = {
        judge: _opinions(judge, members, log, slates, reward, weights)
        for judge, members in panel.items()
    }
    rewards = slate_rewards(slates, SlateSources(judges, opinions, unjudged.truth), weights)
    return replace(
        unjudged,
        evaluator=evaluator,
        feedback=feedback,
        judges=judges,
        opinions=opinions,
        rewards=rewards,
    )


def _judged_tables(evidence: Evidence, support: Table) -> Iterator[Table]:
    """The tables of a run with an evaluator."""
    log, slates, judges = evidence.log, evidence.slates, evidence.judges
    assert evidence.evaluator is not None
    yield order_table(judges, log, slates["logged"])
    yield calibration_table(judges, evidence.evaluator, log, slates["logged"])
    yield reward_table(evidence.rewards, evidence.opinions, log)
    yield support
    if len(evidence.asked) > 1:
        yield utility_table(slates, judges, list(evidence.folder.config.reward))
    first = judges[evidence.first_judge or TRAINING_EVALUATOR]
    if log.schema.feedback:
        yield prediction_table(judges, log, slates["logged"])
        yield promise_table(slates, first, log)
    yield from _logged_clicks(slates, first, log)


def _opinions(
    judge: str,
    members: list[Feedback],
    log: ExposureLog,
    slates: Mapping[str, Tensor],
    reward: Mapping[str, UtilityConfig],
    weights: Tensor,
) -> dict[str, JudgeOpinion]:
    """What a judge says of every policy's slates but the logged ones."""
    rewards = {
        name: member_rewards(members, log, order, reward, weights) for name, order in slates.items()
    }
    logged = rewards.pop("logged")
    return {
        name: opinion_of_gains(judge, value - logged, log.person_ids)
        for name, value in rewards.items()
    }


def compared_slates(
    folder: RunFolder, log: ExposureLog, weights: Tensor | None = None
) -> dict[str, Tensor]:
    """Slates [E, N] of every page by name.

    These are what was logged; the sort by score, if one is configured; the behavior clone and the
    greedy walk on the evaluator, where the run has them; a shuffle; and the generator, at last.

    Args:
        folder: The run.
        log: The pages.
        weights: [U] of the generator; None = the defaults.

    Raises:
        RunError: The log is empty, or its schema is not the run's.
    """
    check_log(folder, log)
    data = folder.config.data
    asked = default_weights(folder) if weights is None else weights
    slates = {"logged": exposed_slates(log, data.slots)}
    if data.score:
        slates["sort by score"] = score_slates(log, data.score, data.slots)
    if folder.checkpoint("clone", "best").exists():
        slates["behavior clone"] = generated_slates(folder.load_clone(), log, data.slots, asked)
    if folder.checkpoint("evaluator", "best").exists():
        evaluator = EvaluatorFeedback(folder.load_evaluator())
        slates["greedy on evaluator"] = greedy_slates(evaluator, log, data.slots)
    slates["shuffle"] = shuffled_slates(log, data.slots)
    slates["generator"] = generated_slates(folder.load_generator(), log, data.slots, asked)
    return slates


def default_weights(folder: RunFolder) -> Tensor:
    """[U] the preference weights of a request that names none."""
    return torch.tensor([utility.default for utility in folder.config.reward.values()])


def weights_of(folder: RunFolder, named: Mapping[str, float]) -> Tensor:
    """[U] the preference weights of a request that names some.

    Raises:
        RunError: A name is no utility of the run, or its weight is outside of its range.
    """
    weights, ranges = default_weights(folder), folder.config.reward
    for name, weight in named.items():
        if name not in ranges:
            raise RunError(f"weight {name!r}: no such utility; the run has {', '.join(ranges)}")
        low, high = ranges[name].min, ranges[name].max
        if not low <= weight <= high:
            raise RunError(f"weight {name!r}: {weight} is outside [{low}, {high}]")
        weights[list(ranges).index(name)] = weight
    return weights


def _logged_clicks(
    slates: Mapping[str, Tensor], judge: PageJudge | None, log: ExposureLog
) -> list[Table]:
    """What logged clicks alone say; estimates where the log tells its propensities."""
    predictions = None
    if judge is not None and known_propensity(log) is not None:
        predictions = {name: judge.feedback(order)[1] for name, order in slates.items()}
    values = page_values(dict(slates), predictions, log)
    slots = slates["logged"].size(1)
    clicks = clicks_table(values, log.person_ids, slots)
    ranking = ranking_table(values, log.person_ids, slots)
    told = [table for table in (clicks, propensity_gap(log)) if table is not None]
    return [*told, ranking]
