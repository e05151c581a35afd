"""How training went, stage by stage."""

from __future__ import annotations

import math

from matplotlib.axes import Axes

from gerank.report.drawing import count_across, draw, plot_series, set_labels
from gerank.report.names import shortened
from gerank.report.page import Drawing, Section
from gerank.report.palette import GREY, STYLES
from gerank.train.metrics_history import Curve, StageHistory, read_history
from gerank.train.report import Table
from gerank.train.run_folder import RunFolder

_TOGETHER = (
    ("loss", "validation_loss"),
    ("reward", "exposed_reward"),
    ("sampled_better", "better"),
)
"""Metrics that are measured alike share a panel."""
_MOST_MARKED = 40
_WORDS = (
    "Every stage keeps the parameters of the epoch with the highest score on validation pages, "
    "which a grey line marks; each member of an ensemble keeps its own best ones. The reward of "
    "the generator is the training evaluator's, so that its curves show what was learnt of that "
    "evaluator, not what users do."
)


def training_section(folder: RunFolder) -> Section | None:
    """Curves of every stage with two epochs or more, and a table of all; None without metrics."""
    stages = read_history(folder.path)
    if not stages:
        return None
    curves = [(s, names) for s in stages if len(s.epochs) > 1 for names in _panels(s)]
    figures = [_curves(curves)] if curves else []
    return Section("Training", (_WORDS,), (_table(stages),), figures)


def _curves(panels: list[tuple[StageHistory, tuple[str, ...]]]) -> Drawing:
    def paint(axes: list[Axes]) -> None:
        for panel, (stage, names) in zip(axes, panels, strict=True):
            for name, style in zip(names, STYLES, strict=False):
                epochs, values = zip(*stage.curves[name].items(), strict=True)
                marked = len(epochs) <= _MOST_MARKED
                plot_series(panel, epochs, values, name.replace("_", " "), style, marked=marked)
            panel.axvline(stage.best_epoch, color=GREY, linewidth=1.0)
            count_across(panel)
            title = f"{shortened(stage.name)}\n{', '.join(names).replace('_', ' ')}"
            set_labels(panel, title, "epoch")
            if len(names) > 1:
                panel.legend()

    caption = "The figures of every epoch, stage by stage, the best epoch of each marked."
    return draw(paint, caption, panels=len(panels), columns=4, panel_in=(2.7, 2.2))


def _panels(stage: StageHistory) -> list[tuple[str, ...]]:
    """Names of the metrics of each panel; the score is in the table, as it repeats another one."""
    shared = [
        tuple(name for name in names if name in stage.curves)
        for names in _TOGETHER
        if all(name in stage.curves for name in names)
    ]
    placed = {name for names in shared for name in names}
    alone = [(name,) for name in stage.curves if name not in placed and name != "score"]
    return [*shared, *alone]


def _table(stages: list[StageHistory]) -> Table:
    rows = tuple(
        (
            stage.name,
            name,
            f"{len(stage.epochs)}",
            f"{stage.best_epoch}",
            *_ends(curve),
            curve.get(stage.best_epoch, math.nan),
        )
        for stage in stages
        for name, curve in stage.curves.items()
    )
    columns = ("stage", "metric", "epochs", "best epoch", "first", "last", "at the best epoch")
    return Table("Training, stage by stage", columns, rows)


def _ends(curve: Curve) -> tuple[float, float]:
    epochs = list(curve)
    return curve[epochs[0]], curve[epochs[-1]]
