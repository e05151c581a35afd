"""What stands behind "better": the differences of rewards, page by page and on the whole."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gerank.metrics.better import better_percentage
from gerank.metrics.intervals import Interval
from gerank.report.drawing import draw, set_labels
from gerank.report.names import shortened
from gerank.report.page import Drawing, Section
from gerank.report.palette import AFTER, BEFORE, GREY, styles_of
from gerank.train.evidence import Evidence
from gerank.train.report import Cell, Table, mean_cell
from gerank.train.slate_tables import TRUTH

_BARS = 40
_WORDS = (
    "The reward of the generator's slate minus that of the logged one, page by page. Pages to the "
    "right of zero are those that count as better; equal ones do not. The training evaluator is "
    "what the generator was trained to please, so that its opinion is an upper end; the judges "
    "learnt from other people, and no reward comes from them.",
)


def gains_section(evidence: Evidence) -> Section | None:
    """None where nobody says what a slate is worth."""
    if not evidence.rewards:
        return None
    return Section(
        'What stands behind "better"',
        _WORDS,
        [_table(evidence)],
        [_intervals(evidence), _differences(evidence)],
    )


def _unit(judge: str) -> str:
    return "clicks per page" if judge == TRUTH else "reward per page"


def _intervals(evidence: Evidence) -> Drawing:
    """Mean gain of every policy by everybody, with intervals and lower bounds."""
    policies = [name for name in evidence.slates if name != "logged"]
    styles, people = styles_of(policies), evidence.log.person_ids

    def paint(axes: list[Axes]) -> None:
        for panel, judge in zip(axes, evidence.rewards, strict=True):
            panel.axvline(0.0, color=GREY, linewidth=1.0)
            for row, policy in enumerate(reversed(policies)):
                cell = mean_cell(evidence.gains(judge, policy), people)
                assert cell is not None
                style = styles[policy]
                if isinstance(cell, Interval):
                    panel.plot([cell.low, cell.high], [row, row], color=style.colour)
                mean = cell.estimate if isinstance(cell, Interval) else cell
                panel.plot([mean], [row], color=style.colour, marker=style.marker)
                opinion = evidence.opinions.get(judge, {}).get(policy)
                if opinion is not None:
                    panel.plot([opinion.low], [row], color=style.colour, marker="|", markersize=11)
            panel.set_yticks(range(len(policies)), [*map(shortened, reversed(policies))])
            panel.set_ylim(-0.6, len(policies) - 0.4)
            set_labels(panel, shortened(judge), f"{_unit(judge)}, minus logged")

    caption = (
        "The mean gain over the logged pages, by each who has a say, with the 95 % interval by "
        "person. A stroke is a judge's lower bound, two standard errors below the gain, of the "
        "judge's own doubt and of the pages together: what the verdict hears of a judge. Of "
        "boosted trees it hears the upper bound, as far above the gain."
    )
    return draw(paint, caption, panels=len(evidence.rewards), panel_in=(3.6, 2.2))


def _differences(evidence: Evidence) -> Drawing:
    """Histograms of the generator's gain over pages."""

    def paint(axes: list[Axes]) -> None:
        for panel, judge in zip(axes, evidence.rewards, strict=True):
            gains = evidence.gains(judge, "generator")
            is_better = gains > 0
            edges = np.histogram_bin_edges(np.append(gains, 0.0), _BARS)
            rest, better = (np.histogram(gains[some], edges)[0] for some in (~is_better, is_better))
            left, width = edges[:-1], np.diff(edges)
            panel.bar(left, rest, width, align="edge", color=BEFORE)
            panel.bar(left, better, width, rest, align="edge", color=AFTER, hatch="////")
            panel.axvline(0.0, color=GREY, linewidth=1.0)
            share = better_percentage(gains, np.zeros_like(gains))
            title = f"{shortened(judge)}: better on {share:.4g} %"
            set_labels(panel, title, f"{_unit(judge)}, minus logged", "pages")

    caption = (
        "How the generator's gain is spread over the pages. Hatched: the pages that are better."
    )
    return draw(paint, caption, panels=len(evidence.rewards), panel_in=(3.6, 2.4))


def _table(evidence: Evidence) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for judge in evidence.rewards:
        gains = evidence.gains(judge, "generator")
        zero = np.zeros_like(gains)
        spread = np.quantile(gains, [0.05, 0.25, 0.5, 0.75, 0.95]).tolist()
        mean = mean_cell(gains, evidence.log.person_ids)
        better, worse = better_percentage(gains, zero), better_percentage(zero, gains)
        equal = 100 * float((gains == 0).mean())
        rows.append((judge, mean, *spread, better, equal, worse))
    columns = (
        *("by", "mean", "5 %", "25 %", "median", "75 %", "95 %"),
        *("better, %", "equal, %", "worse, %"),
    )
    return Table("The generator's gain, page by page", columns, tuple(rows))
