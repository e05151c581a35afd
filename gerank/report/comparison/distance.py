"""How far every re-ranker stays from the best slates that could be found."""

from __future__ import annotations

from matplotlib.axes import Axes

from gerank.compare.compare import Comparison
from gerank.compare.results import TRUE_CLICKS
from gerank.compare.tables import Best
from gerank.report.comparison.rows import best_first, height_of, set_rows
from gerank.report.drawing import draw, plot_series, set_labels
from gerank.report.page import Drawing, Section
from gerank.report.palette import GREY, STYLES

_TRUE = "By the truth of the simulator this is the distance to what is possible."
_JUDGED = (
    "By a judge this is the distance to what the judge imagines: who comes near the best may live "
    "off the judge's errors."
)
_ENUMERATED = "Every slate of these pages was tried."
_SEARCHED = (
    "A search began at the best slate of all re-rankers and changed it while that helped; what it "
    "ended at may not be the best of all."
)


def distance_section(comparison: Comparison) -> Section | None:
    """None where the best slates were not looked for."""
    best = comparison.best
    if best is None:
        return None
    words = (
        _TRUE if best.measure == TRUE_CLICKS else _JUDGED,
        _ENUMERATED if best.enumerated else _SEARCHED,
    )
    return Section("Distance to the best slates", words, figures=[_drawing(comparison, best)])


def _drawing(comparison: Comparison, best: Best) -> Drawing:
    results = comparison.results
    names = best_first(comparison)
    means = [best.mean_of(results.policies[name]) for name in names]
    most, base = float(best.values.mean()), best.mean_of(results.logged)

    def paint(axes: list[Axes]) -> None:
        (panel,) = axes
        rows = range(len(names))
        panel.hlines(rows, means, [most] * len(names), color=GREY, linewidth=0.8)
        panel.axvline(most, color="#000000", linewidth=1.2, label="best")
        panel.axvline(base, color=GREY, linewidth=1.0, linestyle=(0, (4.0, 2.0)), label="logged")
        plot_series(panel, means, rows, "re-ranker", STYLES[0], joined=False)
        set_rows(panel, names)
        set_labels(panel, "", f"{best.measure}, mean of {len(best.rows)} pages")
        panel.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3)

    caption = (
        f"{best.measure} of every re-ranker, and how much is missing to the best slates (the line "
        "on the right); the dashed line is what was logged."
    )
    return draw(paint, caption, panel_in=(7.0, 0.3 + height_of(names)))
