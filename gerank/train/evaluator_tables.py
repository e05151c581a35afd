"""How well evaluators tell clicks on logged pages: which page, which slot, and how many."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.metrics.auc import auc, group_aucs, grouped_auc
from gerank.metrics.calibration import expected_calibration_error
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.judges import PageJudge
from gerank.train.page_batches import by_page
from gerank.train.report import Cell, Table, mean_cell

_PAGES_AT_ONCE = 512


@dataclass(frozen=True)
class LoggedPages:
    """Shown slots and clicks of E pages, cut to N slots.

    Attributes:
        people: [E] str.
        filled: [E, N] bool.
        clicks: [E, N] float32.
    """

    people: NDArray[np.str_]
    filled: NDArray[np.bool_]
    clicks: NDArray[np.floating]

    @classmethod
    def of(cls, log: ExposureLog, slots: int) -> LoggedPages:
        """Cuts the pages of `log`."""
        pages = log.shown(np.arange(len(log)), slots)
        filled = pad_slots(pages.slates, slots) >= 0
        clicks = pad_slots(pages.clicks, slots, 0)
        return cls(log.person_ids, filled.numpy(), clicks.numpy())


def order_table(judges: Mapping[str, PageJudge], log: ExposureLog, shown: Tensor) -> Table:
    """AUC of pages (is anything clicked?) and of slots (is this one clicked?).

    Four questions, of which the one within pages is the one that re-ranking asks: which of the
    items that stand on a page is clicked. The slot AUC over all pages also counts knowing which
    people click much and, where pages have many lengths, which pages are long: a slot of a page
    of two is clicked far more often than one of a page of twenty, and a model that knows nothing
    but that gets a high figure. GAUC (within a person) takes away the people but not the lengths.

    Args:
        judges: Name -> evaluator.
        log: The E pages.
        shown: [E, N] int64. The logged slates.
    """
    logged = LoggedPages.of(log, shown.size(1))
    rows: list[tuple[Cell, ...]] = []
    for title, judge in judges.items():
        page, slot = judge.feedback(shown)
        rows.append((title, *_aucs(logged, page.numpy(), slot.numpy())))
    columns = (
        "",
        "page AUC",
        "slot AUC within pages",
        "slot GAUC by person",
        "slot AUC over all pages",
    )
    return Table("Evaluators on logged pages", columns, tuple(rows))


def calibration_table(
    judges: Mapping[str, PageJudge],
    evaluator: EvaluatorFeedback,
    log: ExposureLog,
    shown: Tensor,
) -> Table:
    """Whether predictions mean what they say, on pages as they were shown.

    The error of two clicks or more is that of the training evaluator's head; judges have none.

    Args:
        judges: Name -> evaluator; the first one is `evaluator`.
        evaluator: That gives the reward.
        log: The E pages.
        shown: [E, N] int64. The logged slates.
    """
    logged = LoggedPages.of(log, shown.size(1))
    clicks = logged.clicks.sum(1)
    rows: list[tuple[Cell, ...]] = []
    for place, (title, judge) in enumerate(judges.items()):
        page, slot = judge.feedback(shown)
        many: Cell = None
        if place == 0:
            _, two_or_more = page_heads(evaluator, log, shown)
            many = expected_calibration_error(clicks >= 2, two_or_more)
        expected = slot.double().sum(1).mean().item()
        error = expected_calibration_error(clicks >= 1, page.numpy())
        rows.append((title, error, many, expected, mean_cell(clicks, logged.people)))
    columns = (
        "",
        "error, any click",
        "error, two or more",
        "clicks per page, predicted",
        "clicks per page, logged",
    )
    return Table("Calibration on logged pages", columns, tuple(rows))


def page_heads(
    evaluator: EvaluatorFeedback, log: ExposureLog, slates: Tensor
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """P(any click) and P(two clicks or more), each [E], of slates [E, N]."""

    def told(rows: np.ndarray) -> tuple[Tensor, ...]:
        heads = evaluator.page_heads(log.batch(rows), slates[rows].unsqueeze(1))
        return tuple(head.squeeze(1) for head in heads)

    any_click, two_or_more = by_page(log, np.arange(len(log)), _PAGES_AT_ONCE, told)
    return any_click.numpy(), two_or_more.numpy()


def auc_within_pages(logged: LoggedPages, slot: NDArray[np.floating]) -> NDArray[np.floating]:
    """[E] AUC of predictions [E, N] among the slots of each page; NaN where all end alike."""
    within = np.full(len(logged.filled), np.nan)
    page_of = np.nonzero(logged.filled)[0]
    if len(page_of):
        found = group_aucs(logged.clicks[logged.filled] > 0, slot[logged.filled], page_of)
        within[np.unique(page_of)] = found
    return within


def _aucs(
    logged: LoggedPages, page: NDArray[np.floating], slot: NDArray[np.floating]
) -> tuple[Cell, ...]:
    """An AUC is None where it has no meaning: all clicked, or none."""
    filled = logged.filled
    clicked, scores = logged.clicks[filled] > 0, slot[filled]
    people = np.broadcast_to(logged.people[:, None], filled.shape)[filled]
    by_person = None
    if _both_kinds(clicked, people):
        by_person = grouped_auc(clicked, scores, people).value
    return (
        _auc(logged.clicks.sum(1) > 0, page),
        mean_cell(auc_within_pages(logged, slot), logged.people),
        by_person,
        _auc(clicked, scores),
    )


def _auc(clicked: NDArray[np.bool_], scores: NDArray[np.floating]) -> float | None:
    return auc(clicked, scores) if 0 < clicked.sum() < len(clicked) else None


def _both_kinds(clicked: NDArray[np.bool_], groups: NDArray[np.generic]) -> bool:
    """Whether some group has something clicked and something not."""
    _, codes = np.unique(groups, return_inverse=True)
    clicks, examples = np.bincount(codes, weights=clicked), np.bincount(codes)
    return bool(((clicks > 0) & (clicks < examples)).any())
