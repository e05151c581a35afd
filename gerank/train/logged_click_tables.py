"""What logged clicks say of policies, as tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gerank.metrics.importance_weights import effective_sample_size
from gerank.train.logged_clicks import Floats, PageValues
from gerank.train.report import Cell, Table, mean_cell, ratio_cell


def clicks_table(
    values: dict[str, PageValues], people: NDArray[np.str_], slots: int
) -> Table | None:
    """Clicks in the slate by three estimators, with intervals by person, and what they rest on.

    The effective sample size is the mean over slots: an estimate from few pages can be anything,
    whatever its interval says. It is None where propensities are unknown.
    """
    rows: list[tuple[Cell, ...]] = []
    for name, page in values.items():
        if page.weighted is None:
            return None
        weighted, robust = page.weighted, None
        if weighted.doubly_robust is not None:
            robust = mean_cell(weighted.doubly_robust, people)
        rows.append(
            (
                name,
                mean_cell(weighted.ips, people),
                ratio_cell(*weighted.snips, people),
                robust,
                float(effective_sample_size(weighted.weights).mean()),
            )
        )
    columns = ("slates", "IPS", "self-normalised", "doubly robust", "effective pages")
    return Table(f"Clicks in the first {slots}, from logged clicks", columns, tuple(rows))


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
