"""How long the re-rankers took to learn."""

from __future__ import annotations

from matplotlib.axes import Axes

from gerank.compare.compare import Comparison
from gerank.report.comparison.rows import best_first, height_of, set_rows
from gerank.report.drawing import draw, plot_series, set_labels
from gerank.report.page import Drawing, Section
from gerank.report.palette import STYLES
from gerank.train.report import Cell, Table

_LEAST_SECONDS = 1e-4  # what is drawn of a fit that takes no time, on an axis of powers of ten
_WORDS = (
    "Seconds on one core, as many fits running beside each other as the comparison had workers; "
    "the fit of the chosen settings with every seed. An evaluator that a re-ranker learns from is "
    "part of its time."
)


def training_time_section(comparison: Comparison) -> Section | None:
    """None where every row is a file of slates."""
    seconds = comparison.fit_seconds
    names = [name for name in best_first(comparison) if name in seconds]
    if not names:
        return None
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, f"{len(seconds[name])}", _mean(seconds[name]), *_ends(seconds[name]))
        for name in names
    )
    columns = ("re-ranker", "fits", "mean", "shortest", "longest")
    table = Table("Seconds of a fit", columns, rows)
    return Section("Training time", (_WORDS,), [table], [_drawing(seconds, names)])


def _mean(seconds: list[float]) -> float:
    return sum(seconds) / len(seconds)


def _ends(seconds: list[float]) -> tuple[float, float]:
    return min(seconds), max(seconds)


def _drawing(seconds: dict[str, list[float]], names: list[str]) -> Drawing:
    across = [max(_LEAST_SECONDS, each) for name in names for each in seconds[name]]
    rows = [row for row, name in enumerate(names) for _ in seconds[name]]

    def paint(axes: list[Axes]) -> None:
        (panel,) = axes
        panel.set_xscale("log")
        plot_series(panel, across, rows, "fit", STYLES[0], joined=False)
        set_rows(panel, names)
        set_labels(panel, "", "seconds of a fit, in powers of ten")

    caption = "The time that every fit took, a point for each seed."
    return draw(paint, caption, panel_in=(7.0, height_of(names)))
