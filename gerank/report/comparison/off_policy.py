"""What logged clicks alone estimate of every re-ranker, where propensities are known."""

from __future__ import annotations

from matplotlib.axes import Axes

from gerank.compare.compare import Comparison
from gerank.metrics.intervals import Interval
from gerank.report.comparison.rows import best_first, height_of, set_rows
from gerank.report.drawing import draw, set_labels
from gerank.report.page import Drawing, Section
from gerank.report.palette import BEFORE, GREY
from gerank.train.report import Cell, Table

_ESTIMATORS = 3  # columns of the table, behind the names
_WORDS = (
    "Logged clicks are weighted by how much more often a re-ranker shows an item at its slot than "
    "the log did or, where the log tells the probabilities of its choices alone, the items from "
    "the top down to that slot. The doubly robust estimate begins with what a judge predicts. "
    "The weights average 1 where the log may show whatever the re-ranker shows. Where they do not, "
    "or few pages carry them, the log cannot tell what the re-ranker would earn, and there is no "
    "estimate: see the table of effective pages and mean weights."
)


def off_policy_section(comparison: Comparison) -> Section | None:
    """None where the log knows no propensities."""
    if not comparison.off_policy:
        return None
    table = comparison.off_policy[0]
    told = any(row[1] is not None for row in table.rows)
    figures = [_drawing(comparison, table)] if told else []
    words = (_WORDS,) if told else (_WORDS, "There is none here.")
    return Section("Estimates from logged clicks", words, figures=figures)


def _drawing(comparison: Comparison, table: Table) -> Drawing:
    names = best_first(comparison)
    cells = {str(row[0]): row[1 : 1 + _ESTIMATORS] for row in table.rows}
    kept = [at for at in range(_ESTIMATORS) if any(row[at] is not None for row in cells.values())]
    log = comparison.space.test
    shown = log.shown(comparison.space.test_rows, comparison.space.config.data.slots)
    logged = float((shown.clicks * (shown.slates >= 0)).sum() / len(log))

    def paint(axes: list[Axes]) -> None:
        for panel, at in zip(axes, kept, strict=True):
            panel.axvline(logged, color=GREY, linewidth=1.0, linestyle=(0, (4.0, 2.0)))
            for row, name in enumerate(names):
                _paint_estimate(panel, row, cells[name][at])
            set_rows(panel, names)
            set_labels(panel, table.columns[1 + at], "clicks per page")

    caption = (
        f"{table.title}: by each estimator, with 95 % intervals by person. The dashed line is "
        "what the logged pages earned."
    )
    return draw(paint, caption, panels=len(kept), panel_in=(3.6, height_of(names)))


def _paint_estimate(panel: Axes, row: int, cell: Cell) -> None:
    if isinstance(cell, Interval):
        panel.plot([cell.low, cell.high], [row, row], color=BEFORE)
        panel.plot([cell.estimate], [row], color=BEFORE, marker="o")
    elif isinstance(cell, float):
        panel.plot([cell], [row], color=BEFORE, marker="o")
    else:
        place = panel.get_yaxis_transform()
        panel.annotate("no estimate", (0.02, row), xycoords=place, va="center", color=GREY)
