"""How good a run is: its evaluators, its slates by several judges, and by logged clicks alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.data.simulator import SimulatorTruth
from gerank.metrics.auc import auc, grouped_auc
from gerank.metrics.better import better_percentage
from gerank.metrics.calibration import expected_calibration_error
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.judges import PageJudge, true_clicks
from gerank.train.logged_clicks import clicks_table, ndcg_table, page_values
from gerank.train.orders import exposed_slates, generated_slates, score_slates
from gerank.train.report import Table, show_mean
from gerank.train.run_folder import RunError, RunFolder


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        tables: For people.
        slates: [E, N] int64. The generator's greedy slate of every page, -1 behind the end.
    """

    tables: list[Table]
    slates: Tensor


def evaluate(
    folder: RunFolder,
    log: ExposureLog,
    truth: SimulatorTruth | None,
    named: Mapping[str, float] | None = None,
) -> Evaluation:
    """Judges a run on the pages of `log`, which should be of people it was not trained on.

    Args:
        folder: The run.
        log: Pages with the schema of the run.
        truth: Of the same pages, row by row, where they are simulated.
        named: Utility -> preference weight; the default where not named.

    Raises:
        RunError: The log is empty, its schema is not the run's, the truth is of other pages, or a
            weight is of no utility or outside of its range.
    """
    if truth is not None and not np.array_equal(truth.page_ids, log.page_ids):
        raise RunError(f"the truth is of {len(truth)} other pages than the log's {len(log)}")
    asked = weights_of(folder, named or {})
    slates = compared_slates(folder, log, asked)
    weights = asked / folder.scales
    judges = _judges(folder, log)
    tables = [_evaluator_table(judges, log, slates["logged"])] if judges else []
    tables.append(_slate_table(slates, judges, truth, weights, log))
    if judges and len(weights) > 1:
        tables.append(_utility_table(slates, judges, list(folder.config.reward)))
    tables += _logged_click_tables(slates, judges, log)
    return Evaluation(tables, slates["generator"])


def compared_slates(
    folder: RunFolder, log: ExposureLog, weights: Tensor | None = None
) -> dict[str, Tensor]:
    """Slates [E, N] of every page by name: logged, sort by score (if configured), generator.

    Args:
        folder: The run.
        log: The pages.
        weights: [U] of the generator; None = the defaults.

    Raises:
        RunError: The log is empty, or its schema is not the run's.
    """
    if not len(log):
        raise RunError("the log has no pages to judge")
    _check_schema(folder, log)
    data = folder.config.data
    slates = {"logged": exposed_slates(log, data.slots)}
    if data.score:
        slates["sort by score"] = score_slates(log, data.score, data.slots)
    asked = default_weights(folder) if weights is None else weights
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


def _check_schema(folder: RunFolder, log: ExposureLog) -> None:
    ours, theirs = _features(folder.schema), _features(log.schema)
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            raise RunError(f"feature {other} of the log is {mine} in {folder.path}")
    if len(ours) != len(theirs):
        raise RunError(f"the log has {len(theirs)} features, {folder.path} has {len(ours)}")
    widest = np.diff(log.candidate_offsets).max()
    if widest > folder.max_candidates:
        raise RunError(f"a page has {widest} candidates, not at most {folder.max_candidates}")
    for what in ("groups", "flags"):
        mine, other = getattr(folder.schema, what), getattr(log.schema, what)
        if mine != other:
            raise RunError(f"{what} of the log are {other}, of {folder.path} {mine}")


def _features(schema: FeatureSchema) -> list[tuple[object, ...]]:
    """Of every feature what a model relies on: not the range, which is for information."""
    features = [*schema.user, *schema.candidate]
    return [(f.name, str(f.kind), f.vocabulary, f.hashed, f.values) for f in features]


def _judges(folder: RunFolder, log: ExposureLog) -> dict[str, PageJudge]:
    names = {"evaluator": "training evaluator", "judge": "held-out evaluator"}
    reward = folder.config.reward
    return {
        title: PageJudge(EvaluatorFeedback(folder.load_evaluator(stage)), log, reward)
        for stage, title in names.items()
        if folder.checkpoint(stage, "best").exists()
    }


def _evaluator_table(judges: dict[str, PageJudge], log: ExposureLog, shown: Tensor) -> Table:
    """Page AUC over all pages; slot AUC within a person (GAUC); calibration of page clicks.

    An AUC is None where it has no meaning: all clicked, or none.
    """
    clicks = _padded(log.batch(np.arange(len(log)), shown.size(1)).clicks, shown.size(1)).numpy()
    filled = (shown >= 0).numpy()
    clicked = clicks.sum(1) > 0
    whole = np.zeros(len(log), np.int64)
    people = np.repeat(log.person_ids[:, None], shown.size(1), axis=1)[filled]
    rows: list[tuple[str | float | None, ...]] = []
    for title, judge in judges.items():
        page, slot = judge.feedback(shown)
        over_all = auc(clicked, page.numpy()) if _both_kinds(clicked, whole)[0] else None
        within = None
        if _both_kinds(clicks[filled] > 0, people).any():
            within = grouped_auc(clicks[filled] > 0, slot.numpy()[filled], people).value
        error = expected_calibration_error(clicked, page.numpy())
        rows.append((title, over_all, within, error))
    columns = ("", "page AUC", "slot GAUC by person", "page calibration error")
    return Table("Evaluators on logged pages", columns, tuple(rows))


def _both_kinds(clicked: NDArray[np.bool_], groups: NDArray[np.generic]) -> NDArray[np.bool_]:
    """Per group: whether it has something clicked and something not."""
    _, codes = np.unique(groups, return_inverse=True)
    clicks, examples = np.bincount(codes, weights=clicked), np.bincount(codes)
    return (clicks > 0) & (clicks < examples)


def _slate_table(
    slates: dict[str, Tensor],
    judges: dict[str, PageJudge],
    truth: SimulatorTruth | None,
    weights: Tensor,
    log: ExposureLog,
) -> Table:
    """Reward per page and better percentage of every policy, by every judge."""
    opinions = {
        title: {name: judge.rewards(order, weights) for name, order in slates.items()}
        for title, judge in judges.items()
    }
    if truth is not None:
        opinions["truth (clicks)"] = {n: true_clicks(truth, order) for n, order in slates.items()}
    rows: list[tuple[str | float | None, ...]] = []
    for title, reward in opinions.items():
        for name, values in reward.items():
            against = better_percentage(values.numpy(), reward["logged"].numpy())
            share = None if name == "logged" else 100.0 * against.better
            mean = show_mean(values.numpy(), log.person_ids)
            rows.append((title, name, mean, share))
    columns = ("judge", "slates", "reward per page", "better, %")
    return Table("Slates by their judges", columns, tuple(rows))


def _utility_table(
    slates: dict[str, Tensor], judges: dict[str, PageJudge], names: list[str]
) -> Table:
    """Mean of every utility, in its own unit."""
    rows: list[tuple[str | float | None, ...]] = []
    for title, judge in judges.items():
        for policy, order in slates.items():
            rows.append((title, policy, *judge.utilities(order).double().mean(0).tolist()))
    return Table("Utilities per page", ("judge", "slates", *names), tuple(rows))


def _logged_click_tables(
    slates: dict[str, Tensor], judges: dict[str, PageJudge], log: ExposureLog
) -> list[Table]:
    """What logged clicks alone say: only where the log tells its placement propensities."""
    if np.isnan(log.placement_propensity).any():
        return []
    predictions = None
    if judges:
        judge = judges.get("held-out evaluator", next(iter(judges.values())))
        predictions = {name: judge.feedback(order)[1] for name, order in slates.items()}
    values = page_values(slates, predictions, log)
    slots = slates["logged"].size(1)
    tables = [clicks_table(values, log.person_ids, slots)]
    if not np.isnan(values["logged"].ndcg).all():
        tables.append(ndcg_table(values, log.person_ids, slots))
    return tables


def _padded(values: Tensor, slots: int) -> Tensor:
    return torch.nn.functional.pad(values, (0, slots - values.size(1)))
