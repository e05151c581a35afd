"""The reference against every other re-ranker, by every measure: a forest of intervals."""

from __future__ import annotations

from textwrap import wrap

from matplotlib.axes import Axes

from gerank.compare.compare import Comparison
from gerank.compare.differences import Differences, Told
from gerank.compare.results import fewer_is_better
from gerank.report.comparison.rows import best_first, height_of, set_rows
from gerank.report.drawing import draw, legend_below, plot_series, set_labels
from gerank.report.page import Drawing, Section
from gerank.report.palette import GREY, STYLES, SeriesStyle

_STYLES = {
    Told.HIGHER: STYLES[0],
    Told.LOWER: STYLES[1],
    Told.NEITHER: SeriesStyle(GREY, "s", "solid"),
}
_TITLE_WIDTH = 34


def differences_section(comparison: Comparison) -> Section | None:
    """None where nobody can be told apart: there is only one re-ranker, or one person."""
    found = [each for each in comparison.differences if each.against]
    if not found:
        return None
    reference = comparison.space.config.reference
    words = (
        f"What {reference} has more than every other re-ranker, on the same pages: right of zero "
        f"{reference} is higher. People and seeds are drawn anew for the intervals. The "
        "comparisons of one measure are corrected together (Holm), and each interval is drawn at "
        "the level at which it is looked at: with a probability of 95 % none of a measure errs."
    )
    return Section("The reference against every other", (words,), figures=[_forest(comparison)])


def _forest(comparison: Comparison) -> Drawing:
    reference = comparison.space.config.reference
    found = [each for each in comparison.differences if each.against]
    names = [name for name in best_first(comparison) if name != reference]

    def paint(axes: list[Axes]) -> None:
        for panel, measure in zip(axes, found, strict=True):
            _paint_measure(panel, measure, names)
        legend_below(axes)

    caption = (
        f"{reference} minus each other re-ranker, with intervals by person and seed. The "
        "re-rankers stand in the order of the measure that counts most, the highest on top."
    )
    return draw(paint, caption, panels=len(found), panel_in=(3.6, 0.2 + height_of(names)))


def _paint_measure(panel: Axes, measure: Differences, names: list[str]) -> None:
    panel.axvline(0.0, color=GREY, linewidth=1.0)
    for told, style in _STYLES.items():
        rows = [row for row, name in enumerate(names) if measure.against[name].told is told]
        gains = [measure.against[names[row]].gain for row in rows]
        lows, highs = [gain.low for gain in gains], [gain.high for gain in gains]
        panel.hlines(rows, lows, highs, color=style.colour)
        estimates = [gain.estimate for gain in gains]
        plot_series(panel, estimates, rows, str(told), style, joined=False)
    set_rows(panel, names)
    better = "less is better" if fewer_is_better(measure.measure) else "more is better"
    title = "\n".join(wrap(measure.measure, _TITLE_WIDTH))
    set_labels(panel, title, f"{measure.reference} minus it ({better})")
