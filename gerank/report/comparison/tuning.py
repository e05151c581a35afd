"""Which settings every re-ranker was tried with, and what the validation pages say of them."""

from __future__ import annotations

import json

from matplotlib.axes import Axes

from gerank.compare.compare import Comparison
from gerank.compare.config import TunedBy
from gerank.compare.tuning import Trial, Tuning
from gerank.report.comparison.rows import best_first, height_of, set_rows
from gerank.report.drawing import draw, legend_below, plot_series, set_labels
from gerank.report.page import Drawing, Section
from gerank.report.palette import STYLES
from gerank.train.report import Cell, Table

_SCORES = {
    TunedBy.EVALUATOR: "mean reward that the evaluator expects",
    TunedBy.NDCG: "NDCG of the logged clicks",
}
_WORDS = (
    "Every re-ranker tries equally many settings, as far as its grid goes, and validation pages "
    "choose among them. Where the score hardly depends on the setting, more tries would not have "
    "changed the comparison; where the chosen one stands far out, a larger grid might."
)


def tuning_section(comparison: Comparison) -> Section | None:
    """None where every row is a file of slates."""
    tunings = comparison.results.tunings
    if not tunings:
        return None
    scored = {name: tuning for name, tuning in _ordered(comparison).items() if _scores(tuning)}
    figures = [_drawing(comparison, scored)] if scored else []
    return Section("Settings that were tried", (_WORDS,), [_table(comparison)], figures)


def _ordered(comparison: Comparison) -> dict[str, Tuning]:
    """The re-rankers by the measure that counts most, then those that were left out."""
    tunings = comparison.results.tunings
    names = [name for name in best_first(comparison) if name in tunings]
    return {name: tunings[name] for name in names} | tunings


def _scores(tuning: Tuning) -> list[float]:
    return [trial.score for trial in tuning.trials if trial.score is not None]


def _drawing(comparison: Comparison, scored: dict[str, Tuning]) -> Drawing:
    """A row per re-ranker, a point per setting."""
    names = list(scored)
    others: tuple[list[float], list[int]] = ([], [])
    chosen: tuple[list[float], list[int]] = ([], [])
    for row, tuning in enumerate(scored.values()):
        for place, trial in enumerate(tuning.trials):
            if trial.score is not None:
                points = chosen if place == tuning.chosen else others
                points[0].append(trial.score)
                points[1].append(row)

    def paint(axes: list[Axes]) -> None:
        (panel,) = axes
        plot_series(panel, *others, "tried", STYLES[0], joined=False)
        plot_series(panel, *chosen, "chosen", STYLES[1], joined=False)
        set_rows(panel, names)
        set_labels(panel, "", f"{_SCORES[comparison.space.config.tuning.by]}, validation pages")
        legend_below(axes)

    caption = "The score of every setting that was tried, of re-rankers with more than one."
    return draw(paint, caption, panel_in=(7.0, 0.3 + height_of(names)))


def _table(comparison: Comparison) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for name, tuning in _ordered(comparison).items():
        for place, trial in enumerate(tuning.trials):
            became = trial.left_out or ("chosen" if place == tuning.chosen else "")
            rows.append((name, _told(tuning, trial), trial.score, trial.fit_seconds, became))
    columns = ("re-ranker", "settings", "score", "seconds of the fit", "what became of it")
    return Table("Settings by their scores on validation pages", columns, tuple(rows))


def _told(tuning: Tuning, trial: Trial) -> str:
    """The settings in which the trials of a re-ranker differ."""
    told = (
        f"{setting} = {json.dumps(value)}"
        for setting, value in trial.settings.items()
        if any(other.settings.get(setting) != value for other in tuning.trials)
    )
    return ", ".join(told) or "the only ones"
