"""What is predicted of slates beside what they really earn: who lives off whose errors.

Slates that were chosen to please an evaluator are where it errs in their favour. So its opinion of
a re-ranker grows faster than what users do, and the difference is the over-optimisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gerank.compare.compare import Comparison
from gerank.compare.judging import evaluator_judge, page_judges
from gerank.compare.results import TRUE_CLICKS, Policy
from gerank.metrics.control import spearman
from gerank.report.comparison.rows import best_first
from gerank.report.drawing import draw, set_labels
from gerank.report.names import shortened
from gerank.report.page import Drawing, Section
from gerank.report.palette import AFTER, BEFORE, GREY
from gerank.train.judges import PageJudge
from gerank.train.page_batches import at_most
from gerank.train.report import Cell, Table, mean_cell

_PAGES = 1000
_EVALUATOR = "evaluator that tunes"
_LABEL = np.array([0.25, 0.03])  # Width and height of a name, as shares of a panel.
_WORDS = (
    "The gain in expected clicks over the logged pages, as predicted and as it is. The evaluator "
    "learnt from the pages that the re-rankers learnt from, and chooses their settings; the judges "
    "learnt from other people. Above the diagonal more is promised than is kept: slates that were "
    "chosen to please an evaluator are where it errs in their favour."
)


@dataclass(frozen=True)
class _Gains:
    """Gains over the logged pages, averaged over seeds.

    Attributes:
        base: Who is believed most: the truth, or where it is unknown the first judge.
        people: [P]. Whose page it is.
        real: Re-ranker -> [P] by whom is believed most.
        predicted: Predictor -> re-ranker -> [P].
    """

    base: str
    people: NDArray[np.str_]
    real: dict[str, NDArray[np.float64]]
    predicted: dict[str, dict[str, NDArray[np.float64]]]


def promised_gains_section(comparison: Comparison) -> Section | None:
    """None where nobody but the evaluator knows what a slate is worth."""
    gains = _gains(comparison)
    if gains is None or not gains.real:
        return None
    pages = f"They are of {len(gains.people)} of the {len(comparison.space.test)} pages."
    tables = (_summary_table(gains), _table(gains))
    return Section(
        "Promised and kept gains", (_WORDS, pages), tables, [_drawing(comparison, gains)]
    )


def _gains(comparison: Comparison) -> _Gains | None:
    space, results = comparison.space, comparison.results
    rows = at_most(space.test_rows, _PAGES)
    log = space.test.select(rows)
    predictors: dict[str, PageJudge] = dict(page_judges(space.judges, log))
    policies = {n: results.policies[n] for n in best_first(comparison)}
    others = {name: policy for name, policy in policies.items() if not policy.is_logged}
    if space.truth is not None:
        base, real = TRUE_CLICKS, _true_gains(others, results.logged, rows)
    elif predictors:
        base = next(iter(predictors))
        real = _predicted_gains(predictors.pop(base), others, results.logged, rows)
    else:
        return None
    predictors = {_EVALUATOR: evaluator_judge(space.judges, log)} | predictors
    predicted = {
        by: _predicted_gains(judge, others, results.logged, rows)
        for by, judge in predictors.items()
    }
    return _Gains(base, np.asarray(log.person_ids).astype(np.str_), real, predicted)


def _true_gains(
    policies: Mapping[str, Policy], logged: Policy, rows: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    before = logged.measures[TRUE_CLICKS][:, rows].mean(0)
    return {n: p.measures[TRUE_CLICKS][:, rows].mean(0) - before for n, p in policies.items()}


def _predicted_gains(
    judge: PageJudge, policies: Mapping[str, Policy], logged: Policy, rows: NDArray[np.int64]
) -> dict[str, NDArray[np.float64]]:
    before = _expected_clicks(judge, logged, rows)
    return {n: _expected_clicks(judge, p, rows) - before for n, p in policies.items()}


def _expected_clicks(
    judge: PageJudge, policy: Policy, rows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """[P] clicks that a judge expects of a policy's slates, averaged over its seeds."""
    by_seed = []
    for order in policy.slates[:, rows]:
        slates = torch.from_numpy(order)
        clicks = judge.feedback(slates)[1] * (slates >= 0)
        by_seed.append(clicks.double().sum(1).numpy())
    mean: NDArray[np.float64] = np.mean(by_seed, axis=0)
    return mean


def _drawing(comparison: Comparison, gains: _Gains) -> Drawing:
    reference = comparison.space.config.reference
    real = {name: float(values.mean()) for name, values in gains.real.items()}

    def paint(axes: list[Axes]) -> None:
        for panel, (by, told) in zip(axes, gains.predicted.items(), strict=True):
            points = {name: (across, float(told[name].mean())) for name, across in real.items()}
            for name, point in points.items():
                colour, marker = (AFTER, "D") if name == reference else (BEFORE, "o")
                panel.plot(*([place] for place in point), color=colour, marker=marker, linestyle="")
            for name in readable(points, reference):
                label, place = shortened(name, 18), points[name]
                panel.annotate(label, place, (3, 3), textcoords="offset points", fontsize=6.5)
            ends = [*panel.get_xlim(), *panel.get_ylim()]
            panel.plot([min(ends), max(ends)], [min(ends), max(ends)], color=GREY, linewidth=1.0)
            panel.axhline(0.0, color=GREY, linewidth=0.6)
            panel.axvline(0.0, color=GREY, linewidth=0.6)
            set_labels(panel, by, f"gain by {gains.base}", "predicted gain")

    caption = (
        "Predicted gains in clicks per page over the logged ones, against gains by "
        f"{gains.base}. On the grey diagonal promises are kept; the diamond is {reference}. Names "
        "that would cover each other are left out; the table has them all."
    )
    return draw(paint, caption, panels=len(gains.predicted), columns=2, panel_in=(5.0, 4.2))


def readable(points: Mapping[str, tuple[float, float]], first: str) -> list[str]:
    """The names of points that can be read beside each other: `first`, then the outermost.

    Args:
        points: Name -> across and up.
        first: Is named in any case.
    """
    places = np.array(list(points.values()))
    spread = np.ptp(places, axis=0)
    scaled = (places - np.median(places, axis=0)) / np.where(spread > 0, spread, 1.0)
    names = list(points)
    outwards = sorted(range(len(names)), key=lambda n: -float(np.abs(scaled[n]).max()))
    found: list[int] = []
    for n in [names.index(first), *outwards]:
        apart = np.abs(scaled[found] - scaled[n]) > _LABEL  # [names so far, 2]
        if n not in found and bool(apart.any(axis=1).all()):
            found.append(n)
    return [names[n] for n in found]


def _summary_table(gains: _Gains) -> Table:
    """How each predictor orders the re-rankers, and how much it promises too much."""
    real = np.array([values.mean() for values in gains.real.values()])
    rows: list[tuple[Cell, ...]] = []
    for by, told in gains.predicted.items():
        predicted = np.array([told[name].mean() for name in gains.real])
        varies = len(real) > 1 and np.ptp(real) > 0 and np.ptp(predicted) > 0
        order = spearman(real, predicted) if varies else None
        excess = predicted - real
        most = list(gains.real)[int(excess.argmax())]
        rows.append((by, order, float(excess.mean()), most, float(excess.max())))
    columns = (
        *("predictor", "rank correlation", "promised too much, mean"),
        *("most for", "promised too much there"),
    )
    return Table(f"Predictors against {gains.base}, over all re-rankers", columns, tuple(rows))


def _table(gains: _Gains) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, real in gains.real.items():
        told = [by[name] for by in gains.predicted.values()]
        cells = (mean_cell(values, gains.people) for values in (real, *told, told[0] - real))
        rows.append((name, *cells))
    columns = (
        *("re-ranker", f"gain by {gains.base}"),
        *(f"predicted by {by}" for by in gains.predicted),
        f"{next(iter(gains.predicted))} minus {gains.base}",
    )
    return Table("Gains in clicks per page over the logged ones", columns, tuple(rows))
