"""How well feedback is predicted on logged pages: ROC and reliability, kind by kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

from gerank.data.feedback_kind import FeedbackKind
from gerank.metrics.auc import auc
from gerank.metrics.calibration import CalibrationBins, calibration_bins, mean_bins
from gerank.metrics.roc import RocCurve, roc_curve
from gerank.report.drawing import draw, legend_below, plot_series, set_labels
from gerank.report.names import shortened
from gerank.report.page import Drawing, Section
from gerank.report.palette import GREY, styles_of
from gerank.train.evaluator_tables import LoggedPages
from gerank.train.evidence import Evidence
from gerank.train.feedback_tables import predictions
from gerank.train.report import Cell, Table

_MOST_POINTS = 200
_WORDS = (
    "A ROC curve tells how well clicked slots, or slots of another kind of feedback, are told from "
    "the others, over all pages: knowing which people click much counts too, as the table of "
    "evaluators says. Reliability tells whether predictions mean what they say: of pages or slots "
    "in ten groups of equal size by what was predicted of them, what came.",
)


@dataclass(frozen=True)
class _Told:
    """One question, as one judge answers it.

    Attributes:
        question: What is predicted.
        by: Who predicts.
        came: [E]. What came; more than 0 means yes where it is a flag.
        predicted: [E].
        flag: Whether it is a probability.
    """

    question: str
    by: str
    came: NDArray[np.floating]
    predicted: NDArray[np.floating]
    flag: bool = True

    @property
    def curve(self) -> RocCurve | None:
        """None where there is none: of an amount, or where all end alike."""
        both = self.flag and 0 < (self.came > 0).sum() < len(self.came)
        return roc_curve(self.came > 0, self.predicted) if both else None

    @property
    def bins(self) -> CalibrationBins:
        """What was predicted and what came, in ten groups."""
        if self.flag:
            return calibration_bins(self.came > 0, self.predicted)
        return mean_bins(self.came, self.predicted)


def prediction_section(evidence: Evidence) -> Section | None:
    """None of a run without an evaluator."""
    told = [*_clicks(evidence), *_further(evidence)]
    if not told:
        return None
    questions = dict.fromkeys(each.question for each in told)
    by_question = [[each for each in told if each.question == question] for question in questions]
    with_curve = [some for some in by_question if any(each.curve for each in some)]
    figures = [_roc(with_curve)] if with_curve else []
    figures.append(_reliability(by_question))
    tables = [_table(some) for some in by_question]
    return Section("Predicted and real feedback", _WORDS, tables, figures)


def _clicks(evidence: Evidence) -> Iterator[_Told]:
    """Any click on a page, and a click at a slot."""
    shown = evidence.slates["logged"]
    logged = LoggedPages.of(evidence.log, shown.size(1))
    for name, judge in evidence.judges.items():
        page, slot = judge.feedback(shown)
        clicked = logged.clicks[logged.filled]
        yield _Told("any click on the page", name, logged.clicks.sum(1), page.numpy())
        yield _Told("click at the slot", name, clicked, slot.numpy()[logged.filled])


def _further(evidence: Evidence) -> Iterator[_Told]:
    for found in predictions(evidence.judges, evidence.log, evidence.slates["logged"]):
        came, promised = found.brought[found.told], found.promised[found.told]
        if not len(came):
            continue
        flag = found.kind.kind is FeedbackKind.FLAG
        question = f"{found.kind.name} at the slot" + ("" if flag else f" ({found.kind.kind})")
        yield _Told(question, found.by, came, promised, flag)


def _roc(by_question: list[list[_Told]]) -> Drawing:
    styles = styles_of(each.by for some in by_question for each in some)

    def paint(axes: list[Axes]) -> None:
        for panel, some in zip(axes, by_question, strict=True):
            panel.plot([0, 1], [0, 1], color=GREY, linewidth=1.0)
            for each in some:
                curve = each.curve
                if curve is None:
                    continue
                kept = _thinned(len(curve.found))
                across, up = curve.false_alarms[kept], curve.found[kept]
                named = f"{shortened(each.by)}, AUC {auc(each.came > 0, each.predicted):.4g}"
                plot_series(panel, across, up, named, styles[each.by], marked=False)
            set_labels(panel, some[0].question, "share of the others", "share found")
            panel.legend(loc="lower right")

    caption = (
        "ROC curves: the share of what was clicked, or brought the feedback, against the share of "
        "the rest that is predicted as highly. A coin's curve is the diagonal."
    )
    return draw(paint, caption, panels=len(by_question), panel_in=(3.6, 3.2))


def _thinned(points: int) -> NDArray[np.int64]:
    """Places of a curve that are drawn, at even distances, its ends among them."""
    places: NDArray[np.int64] = np.unique(
        np.linspace(0, points - 1, min(points, _MOST_POINTS)).astype(np.int64)
    )
    return places


def _reliability(by_question: list[list[_Told]]) -> Drawing:
    styles = styles_of(each.by for some in by_question for each in some)

    def paint(axes: list[Axes]) -> None:
        for panel, some in zip(axes, by_question, strict=True):
            for each in some:
                bins = each.bins
                plot_series(panel, bins.predicted, bins.observed, each.by, styles[each.by])
            low, high = panel.get_xlim()
            panel.plot([low, high], [low, high], color=GREY, linewidth=1.0)
            set_labels(panel, some[0].question, "predicted", "came")
        legend_below(axes)

    caption = (
        "Reliability: what came against what was predicted, each point a tenth of the pages or "
        "slots. On the grey diagonal predictions mean what they say."
    )
    return draw(paint, caption, panels=len(by_question), panel_in=(3.6, 3.2))


def _table(some: list[_Told]) -> Table:
    """The groups of one question; a column for each who predicts."""
    told = [
        [f"{predicted:.4g} / {came:.4g}" for _, predicted, came in zip(*each.bins, strict=True)]
        for each in some
    ]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f"{group + 1}", *cells)
        for group, cells in enumerate(zip_longest(*told))  # equal predictions leave fewer groups
    )
    title = f"Reliability: {some[0].question}, predicted / came"
    return Table(title, ("group", *(each.by for each in some)), rows)
