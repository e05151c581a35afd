"""What logged clicks say of policies, as tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.metrics.overlap import CanTell, Overlap, overlap
from gerank.train.logged_clicks import (
    Floats,
    PageValues,
    Propensity,
    WeightedValues,
    known_propensity,
)
from gerank.train.report import Cell, Table, mean_cell, ratio_cell

_SEED = 0


def clicks_table(
    values: dict[str, PageValues], people: NDArray[np.str_], slots: int
) -> Table | None:
    """Clicks in the slate by three estimators, with intervals by person, and what they rest on.

    Slates of which the log cannot tell have no estimates: see `gerank.metrics.overlap`. There is no
    table where propensities are unknown.
    """
    rows: list[tuple[Cell, ...]] = []
    for name, page in values.items():
        if page.weighted is None:
            return None
        found = overlap_of(page.weighted, people)
        estimates = _estimates(page.weighted, people, found.can_tell)
        told = (found.effective_pages, found.mean_weight, str(found.can_tell))
        rows.append((name, *estimates, *told))
    title = f"Clicks in the first {slots}, from logged clicks"
    columns = (
        *("slates", "IPS", "self-normalised", "doubly robust"),
        *("effective pages", "mean weight", "the log can tell"),
    )
    return Table(title, columns, tuple(rows))


def propensity_gap(log: ExposureLog) -> Table | None:
    """Why there are no estimates, where some pages have propensities and others have none."""
    if known_propensity(log) is not None:
        return None
    pages = np.repeat(np.arange(len(log)), np.diff(log.slate_offsets))
    complete = max(
        len(log) - len(np.unique(pages[np.isnan(getattr(log, propensity))]))
        for propensity in Propensity
    )
    if not complete:
        return None
    title = "No estimates from logged clicks, for some pages lack propensities"
    return Table(title, ("pages", "with all their propensities"), ((len(log), complete),))


def overlap_of(weighted: WeightedValues, people: NDArray[np.str_]) -> Overlap:
    """Whether the log can tell of the slates of pages [E] of some people [E]."""
    return overlap(weighted.weights, weighted.target_slots, people, seed=_SEED)


def _estimates(
    weighted: WeightedValues, people: NDArray[np.str_], can_tell: CanTell
) -> tuple[Cell, Cell, Cell]:
    if can_tell is not CanTell.YES:
        return None, None, None
    robust = weighted.doubly_robust
    return (
        mean_cell(weighted.ips, people),
        ratio_cell(*weighted.snips, people),
        None if robust is None else mean_cell(robust, people),
    )


def ranking_table(values: dict[str, PageValues], people: NDArray[np.str_], slots: int) -> Table:
    """NDCG and recall of logged clicks, and the generator's paired difference from the others.

    What they assume is said of `gerank.train.logged_clicks.PageValues`.
    """
    ours = values["generator"]
    rows: list[tuple[Cell, ...]] = []
    for name, page in values.items():
        gains: tuple[Cell, ...] = (None, None)
        if name != "generator":
            gains = (
                mean_cell(ours.ndcg - page.ndcg, people),
                mean_cell(ours.recall - page.recall, people),
            )
        ndcg, recall = mean_cell(page.ndcg, people), mean_cell(page.recall, people)
        rows.append((name, ndcg, gains[0], recall, gains[1]))
    title = f"Order of logged clicks, {_with_click(ours.ndcg)} pages with a click"
    columns = (
        "slates",
        f"NDCG@{slots}",
        "generator minus it (NDCG)",
        f"recall@{slots}",
        "generator minus it (recall)",
    )
    return Table(title, columns, tuple(rows))


def _with_click(ndcg: Floats) -> int:
    return int((~np.isnan(ndcg)).sum())
