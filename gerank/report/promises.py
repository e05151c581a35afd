"""What the training evaluator promises beside what others see of it: over-optimisation, visible."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gerank.metrics.calibration import mean_bins
from gerank.metrics.intervals import Interval
from gerank.report.drawing import draw, legend_below, plot_series, set_labels
from gerank.report.names import shortened
from gerank.report.page import Drawing, Section
from gerank.report.palette import GREY, styles_of
from gerank.train.evidence import TRAINING_EVALUATOR, Evidence
from gerank.train.report import Cell, Table, mean_cell
from gerank.train.slate_tables import TRUTH

_WORDS = (
    "The generator was trained to please the training evaluator, mistakes of that evaluator "
    "included. Here every gain that it promises is held against what somebody else sees of the "
    "same slates: judges in the reward, the truth in clicks. Where both agree a point lies on the "
    "diagonal; the further below, the more was won from the evaluator and not from users."
)
_REWARD, _CLICKS = "reward per page", "clicks per page"


@dataclass(frozen=True)
class _Other:
    """Somebody who is asked what is kept of a promise.

    Attributes:
        name: Their name.
        unit: What both gains are measured in.
        promised, kept: Policy -> [E], the gain over the logged page.
    """

    name: str
    unit: str
    promised: dict[str, NDArray[np.float64]]
    kept: dict[str, NDArray[np.float64]]


def promises_section(evidence: Evidence) -> Section | None:
    """None where there is no evaluator, or nobody beside it."""
    if not evidence.judges:
        return None
    others = _others(evidence)
    if not others:
        return None
    words = [_WORDS, *(_said(other) for other in others)]
    figures = [_policies(others, evidence), _pages(others)]
    return Section("Promised and kept gains", words, [_table(others, evidence)], figures)


def _others(evidence: Evidence) -> list[_Other]:
    policies = [name for name in evidence.slates if name != "logged"]
    by_judge = {
        judge: {name: evidence.gains(judge, name) for name in policies}
        for judge in evidence.rewards
    }
    promised = by_judge[TRAINING_EVALUATOR]
    found = [
        _Other(judge, _REWARD, promised, by_judge[judge])
        for judge in evidence.judges
        if judge != TRAINING_EVALUATOR
    ]
    if TRUTH in by_judge:
        clicks = _expected_clicks(evidence)
        promised = {name: clicks[name] - clicks["logged"] for name in policies}
        found.append(_Other(TRUTH, _CLICKS, promised, by_judge[TRUTH]))
    return found


def _expected_clicks(evidence: Evidence) -> dict[str, NDArray[np.float64]]:
    """Policy -> [E] clicks that the training evaluator expects of its slates."""
    judge = evidence.judges[TRAINING_EVALUATOR]
    return {
        name: judge.feedback(order)[1].double().sum(1).numpy()
        for name, order in evidence.slates.items()
    }


def _said(other: _Other) -> str:
    promised, kept = other.promised["generator"].mean(), other.kept["generator"].mean()
    start = (
        f"Of the generator's slates a gain of {promised:+.4f} {other.unit} is promised, and by "
        f"{other.name} it is {kept:+.4f}"
    )
    return f"{start}, {100 * kept / promised:.0f} % of it." if promised > 0 else f"{start}."


def _policies(others: list[_Other], evidence: Evidence) -> Drawing:
    """A point per policy."""
    people = evidence.log.person_ids

    def paint(axes: list[Axes]) -> None:
        for panel, other in zip(axes, others, strict=True):
            for policy, style in styles_of(other.kept).items():
                promised, kept = other.promised[policy].mean(), other.kept[policy].mean()
                cell = mean_cell(other.kept[policy], people)
                if isinstance(cell, Interval):
                    panel.vlines(promised, cell.low, cell.high, color=style.colour, linewidth=1.0)
                plot_series(panel, promised, kept, policy, style, joined=False)
            _finish(panel, other)
        legend_below(axes)

    caption = (
        "Every policy's mean gain over the logged pages as the training evaluator promises it, "
        "against what somebody else sees, with the 95 % interval by person of the latter."
    )
    return draw(paint, caption, panels=len(others), panel_in=(3.6, 3.4))


def _pages(others: list[_Other]) -> Drawing:
    """A point per tenth of the pages, of the generator alone."""

    def paint(axes: list[Axes]) -> None:
        for panel, other in zip(axes, others, strict=True):
            bins = mean_bins(other.kept["generator"], other.promised["generator"])
            style = styles_of(["generator"])["generator"]
            plot_series(panel, bins.predicted, bins.observed, "generator", style)
            _finish(panel, other)

    caption = (
        "The generator's pages in ten groups of equal size by the gain that is promised of them: "
        "over-optimisation bends the line below the diagonal at its right end."
    )
    return draw(paint, caption, panels=len(others), panel_in=(3.6, 2.8))


def _finish(panel: Axes, other: _Other) -> None:
    """Draws what the points are held against, and says what they are."""
    low, high = panel.get_xlim()
    panel.plot([low, high], [low, high], color=GREY, linewidth=1.0)
    panel.axhline(0.0, color=GREY, linewidth=0.6)
    across, up = f"promised, {other.unit}", f"kept, {other.unit}"
    set_labels(panel, f"against {shortened(other.name)}", across, up)


def _table(others: list[_Other], evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    people = evidence.log.person_ids
    for other in others:
        for policy, kept in other.kept.items():
            promised = other.promised[policy]
            share = 100 * kept.mean() / promised.mean() if promised.mean() > 0 else None
            gains = mean_cell(promised, people), mean_cell(kept, people)
            rows.append((other.name, other.unit, policy, *gains, share))
    columns = ("seen by", "in", "slates", "promised", "kept", "kept of it, %")
    return Table(
        "Gains that the training evaluator promises, and what is kept", columns, tuple(rows)
    )
