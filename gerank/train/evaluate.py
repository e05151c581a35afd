"""How good a run is: its evaluators, its slates by several judges, and by logged clicks alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureSchema
from gerank.data.simulator import SimulatorTruth
from gerank.metrics.auc import auc, grouped_auc
from gerank.metrics.better import better_percentage
from gerank.metrics.calibration import expected_calibration_error
from gerank.metrics.intervals import mean_interval
from gerank.train.judges import PageJudge, true_clicks
from gerank.train.logged_clicks import clicks_table, ndcg_table, page_values
from gerank.train.orders import exposed_slates, generated_slates, score_slates
from gerank.train.report import Table, show_interval
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


def evaluate(folder: RunFolder, log: ExposureLog, truth: SimulatorTruth | None) -> Evaluation:
    """Judges a run on the pages of `log`, which should be of people it was not trained on.

    Args:
        folder: The run.
        log: Pages with the schema of the run.
        truth: Of the same pages, row by row, where they are simulated.

    Raises:
        RunError: The log's schema is not the run's.
    """
    slates = compared_slates(folder, log)
    weights = default_weights(folder)
    judges = _judges(folder, log)
    tables = [_evaluator_table(judges, log, slates["logged"])] if judges else []
    tables.append(_slate_table(slates, judges, truth, weights, log))
    tables += _logged_click_tables(slates, judges, log)
    return Evaluation(tables, slates["generator"])


def compared_slates(folder: RunFolder, log: ExposureLog) -> dict[str, Tensor]:
    """Slates [E, N] of every page by name: logged, sort by score (if configured), generator.

    Raises:
        RunError: The log's schema is not the run's.
    """
    _check_schema(folder, log)
    data = folder.config.data
    slates = {"logged": exposed_slates(log, data.slots)}
    if data.score:
        slates["sort by score"] = score_slates(log, data.score, data.slots)
    slates["generator"] = generated_slates(
        folder.load_generator(), log, data.slots, default_weights(folder)
    )
    return slates


def default_weights(folder: RunFolder) -> Tensor:
    """[U] the preference weights of a request that names none."""
    return torch.tensor([utility.default for utility in folder.config.reward.values()])


def _check_schema(folder: RunFolder, log: ExposureLog) -> None:
    ours = [(f.name, f.kind, f.vocabulary, f.hashed) for f in _features(folder.schema)]
    theirs = [(f.name, f.kind, f.vocabulary, f.hashed) for f in _features(log.schema)]
    for mine, other in zip(ours, theirs, strict=False):
        if mine != other:
            raise RunError(f"feature {other} of the log is {mine} in {folder.path}")
    if len(ours) != len(theirs):
        raise RunError(f"the log has {len(theirs)} features, {folder.path} has {len(ours)}")


def _features(schema: FeatureSchema) -> list[Feature]:
    return [*schema.user, *schema.candidate]


def _judges(folder: RunFolder, log: ExposureLog) -> dict[str, PageJudge]:
    names = {"evaluator": "training evaluator", "judge": "held-out evaluator"}
    utilities = list(folder.config.reward)
    return {
        title: PageJudge(folder.load_evaluator(stage), log, utilities)
        for stage, title in names.items()
        if folder.checkpoint(stage, "best").exists()
    }


def _evaluator_table(judges: dict[str, PageJudge], log: ExposureLog, shown: Tensor) -> Table:
    """Page AUC over all pages; slot AUC within a person (GAUC); calibration of page clicks."""
    clicks = _padded(log.batch(np.arange(len(log)), shown.size(1)).clicks, shown.size(1)).numpy()
    filled = (shown >= 0).numpy()
    clicked = clicks.sum(1) > 0
    people = np.repeat(log.person_ids[:, None], shown.size(1), axis=1)[filled]
    rows: list[tuple[str | float | None, ...]] = []
    for title, judge in judges.items():
        page, slot = judge.feedback(shown)
        within = grouped_auc(clicks[filled], slot.numpy()[filled], people)
        error = expected_calibration_error(clicked, page.numpy())
        rows.append((title, auc(clicked, page.numpy()), within.value, error))
    columns = ("", "page AUC", "slot GAUC by person", "page calibration error")
    return Table("Evaluators on logged pages", columns, tuple(rows))


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
            interval = mean_interval(values.numpy(), log.person_ids, seed=0)
            share = None if name == "logged" else 100.0 * against.better
            rows.append((title, name, show_interval(interval), share))
    columns = ("judge", "slates", "reward per page", "better than logged, %")
    return Table("Slates by their judges", columns, tuple(rows))


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
