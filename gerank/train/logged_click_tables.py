"""What logged clicks say of policies, as tables."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gerank.metrics.importance_weights import effective_sample_size
from gerank.metrics.mean_weight import MeanWeight, mean_weight
from gerank.train.logged_clicks import Floats, PageValues, WeightedValues
from gerank.train.report import Cell, Table, mean_cell, ratio_cell

TOLD = {True: "yes", False: "no"}
"""Whether the weights average 1, as a cell."""
_SEED = 0


def clicks_table(
    values: dict[str, PageValues], people: NDArray[np.str_], slots: int
) -> Table | None:
    """Clicks in the slate by three estimators, with intervals by person, and what they rest on.

    The effective sample size is the mean over slots: an estimate from few pages can be anything,
    whatever its interval says. Slates of which the log cannot tell have no estimates, but their
    mean weight. There is no table where propensities are unknown.
    """
    rows: list[tuple[Cell, ...]] = []
    for name, page in values.items():
        if page.weighted is None:
            return None
        weighted = page.weighted
        pages = float(effective_sample_size(weighted.weights).mean())
        mean = tested_weight(weighted, people)
        rows.append((name, *_estimates(weighted, people, mean), pages, mean.value, TOLD[mean.fits]))
    columns = (
        *("slates", "IPS", "self-normalised", "doubly robust"),
        *("effective pages", "mean weight", "the log can tell"),
    )
    return Table(f"Clicks in the first {slots}, from logged clicks", columns, tuple(rows))


def tested_weight(weighted: WeightedValues, people: NDArray[np.str_]) -> MeanWeight:
    """The mean weight of a policy; pages [E] of a single person are not enough for a test."""
    weights = weighted.snips[1]
    if len(np.unique(people)) < 2:
        return MeanWeight(float(weights.mean()), fits=True)
    return mean_weight(weights, people, seed=_SEED)


def _estimates(
    weighted: WeightedValues, people: NDArray[np.str_], mean: MeanWeight
) -> tuple[Cell, Cell, Cell]:
    if not mean.fits:
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
