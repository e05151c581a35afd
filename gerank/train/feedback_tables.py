"""Further feedback in an evaluation: how well it is predicted, and what slates promise of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback
from gerank.metrics.auc import auc
from gerank.train.judges import PageJudge
from gerank.train.report import Cell, Table, mean_cell


@dataclass(frozen=True)
class Predicted:
    """One kind of further feedback as somebody predicts it of the logged pages.

    Attributes:
        kind: The kind.
        by: Who predicts.
        told: [E, N] bool. Slots whose value is known.
        brought: [E, N]. What they brought; 0 elsewhere.
        promised: [E, N]. What was predicted of them; 0 elsewhere.
    """

    kind: FurtherFeedback
    by: str
    told: NDArray[np.bool_]
    brought: NDArray[np.floating]
    promised: NDArray[np.floating]


def prediction_table(judges: Mapping[str, PageJudge], log: ExposureLog, shown: Tensor) -> Table:
    """Whether predicted feedback is what the logged pages brought, kind by kind.

    A flag has its AUC over shown slots; a count or an amount the share of its variance that is
    explained, which is below 0 where the mean would have been the better prediction. The arguments
    are as in `predictions`.
    """
    rows: list[tuple[Cell, ...]] = [
        (found.kind.name, found.by, *_figures(found, log))
        for found in predictions(judges, log, shown)
    ]
    columns = (
        "feedback",
        "by",
        "AUC of a flag",
        "explained share",
        "per page, predicted",
        "per page, logged",
    )
    return Table("Further feedback on logged pages", columns, tuple(rows))


def predictions(
    judges: Mapping[str, PageJudge], log: ExposureLog, shown: Tensor
) -> Iterator[Predicted]:
    """Predicted feedback beside what the logged pages brought, judge by judge, kind by kind.

    A slot whose value is unknown is left out. Where a kind follows clicks, a slot without a click
    has none.

    Args:
        judges: Name -> who predicts further feedback; others have no row.
        log: The E pages.
        shown: [E, N] int64. The logged slates.
    """
    values = log.feedback_batch(np.arange(len(log)), shown.size(1)).numpy()
    clicked = log.shown(np.arange(len(log)), shown.size(1)).clicks.numpy() > 0
    filled = (shown >= 0).numpy()[:, : clicked.shape[1]]
    for title, judge in judges.items():
        predicted = judge.further(shown)
        for place, kind in enumerate(log.schema.feedback):
            if kind.name not in predicted:
                continue
            logged = values[..., place]
            follows = not (np.nan_to_num(logged[~clicked]) != 0).any()
            told = filled & (~np.isnan(logged) | (follows & ~clicked))
            expected = predicted[kind.name].numpy()[:, : told.shape[1]]
            brought = np.where(told, np.nan_to_num(logged), 0.0)
            yield Predicted(kind, title, told, brought, np.where(told, expected, 0.0))


def promise_table(slates: Mapping[str, Tensor], judge: PageJudge, log: ExposureLog) -> Table:
    """What each policy's slates are expected to bring of every kind, per page, by one judge."""
    rows = []
    for name, order in slates.items():
        expected = judge.further(order)
        sums = (expected[k.name].double().sum(1).numpy() for k in log.schema.feedback)
        rows.append((name, *(mean_cell(total, log.person_ids) for total in sums)))
    columns = ("", *(kind.name for kind in log.schema.feedback))
    return Table("Expected further feedback per page", columns, tuple(rows))


def _figures(found: Predicted, log: ExposureLog) -> tuple[Cell, ...]:
    truth, guess = found.brought[found.told], found.promised[found.told]
    discrimination: Cell = None
    explained: Cell = None
    if found.kind.kind is FeedbackKind.FLAG:
        discrimination = auc(truth > 0, guess) if 0 < (truth > 0).sum() < len(truth) else None
    elif len(truth) and truth.var() > 0:
        explained = float(1 - np.square(truth - guess).mean() / truth.var())
    return (
        discrimination,
        explained,
        float(found.promised.sum(1).mean()),
        mean_cell(found.brought.sum(1), log.person_ids),
    )
