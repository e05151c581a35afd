"""Policies judged by logged clicks alone, page by page, without an evaluator's opinion.

Values come per page first and become tables later (`gerank.train.logged_click_tables`), so that
pages of several runs (cross-fitting) can be put together in between.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.metrics import counterfactual
from gerank.metrics.importance_weights import placement_weights, prefix_weights
from gerank.metrics.ndcg import ndcg_at_k
from gerank.metrics.recall import recall_at_k
from gerank.train.page_batches import by_page

Floats = NDArray[np.floating]

_PAGES_AT_ONCE = 4096


class Propensity(StrEnum):
    """Which of a log's propensities are known; the name of their column."""

    PLACEMENT = "placement_propensity"
    CHOICE = "log_propensity"


@dataclass(frozen=True)
class WeightedValues:
    """Estimates that weigh logged clicks by known propensities, per page [E].

    Attributes:
        ips: Inverse propensity estimate of the clicks in the slate.
        snips: Numerator and denominator of the self-normalised estimate.
        doubly_robust: None where no click model was given.
        weights: [E, N]. How much each logged slot counts.
        target_slots: [E]. How many slots the slates fill.
    """

    ips: Floats
    snips: tuple[Floats, Floats]
    doubly_robust: Floats | None
    weights: Floats
    target_slots: Floats

    @classmethod
    def concatenate(cls, parts: list[WeightedValues]) -> WeightedValues:
        """Pages of several folds as one."""
        robust = [part.doubly_robust for part in parts if part.doubly_robust is not None]
        return cls(
            np.concatenate([part.ips for part in parts]),
            (
                np.concatenate([part.snips[0] for part in parts]),
                np.concatenate([part.snips[1] for part in parts]),
            ),
            np.concatenate(robust) if len(robust) == len(parts) else None,
            np.concatenate([part.weights for part in parts]),
            np.concatenate([part.target_slots for part in parts]),
        )


@dataclass(frozen=True)
class PageValues:
    """What logged clicks say of one policy, per page [E].

    NDCG and recall take the logged clicks of the shown candidates as relevance. They need no
    propensities and see order alone, and they assume that a click does not depend on where the
    candidate stood or on the rest of the page: an order near the logged one is favoured, as the
    upper slots get more clicks. Where a page did not show all its candidates they assume besides
    that those left out are worth nothing, which counts against any policy that shows them; only on
    pages that show all candidates is it free of that.

    Attributes:
        ndcg: NaN where a page has no click.
        recall: Share of the clicked candidates in the slate; NaN where a page has no click.
        weighted: None where propensities are unknown.
    """

    ndcg: Floats
    recall: Floats
    weighted: WeightedValues | None

    @classmethod
    def concatenate(cls, parts: list[PageValues]) -> PageValues:
        """Pages of several folds as one."""
        weighted = [part.weighted for part in parts if part.weighted is not None]
        return cls(
            np.concatenate([part.ndcg for part in parts]),
            np.concatenate([part.recall for part in parts]),
            WeightedValues.concatenate(weighted) if len(weighted) == len(parts) else None,
        )


def page_values(
    slates: dict[str, Tensor], predictions: dict[str, Tensor] | None, log: ExposureLog
) -> dict[str, PageValues]:
    """Judges policies page by page.

    A slate that is longer than what was shown is cut: no logged click tells of the rest.

    Args:
        slates: Policy name -> [E, N] int64; but for `logged`, which is what was shown, they must
            not depend on the logged order.
        predictions: Policy name -> [E, N] click probabilities of its own slates, from a model that
            was not trained on these people; None: no doubly robust estimate.
        log: The E pages. Nothing is weighted where `known_propensity` finds none.
    """
    width = next(iter(slates.values())).size(1)
    pages = log.shown(np.arange(len(log)), width)
    filled = (pad_slots(pages.slates, width) >= 0).numpy()
    rows = np.arange(len(log))
    known = known_propensity(log)
    values = {}
    for name, order in slates.items():
        shown = np.where(filled, order, -1)
        weighted = None
        if known is not None:
            expected = None if predictions is None else predictions[name].numpy() * filled
            weighted = _weighted(log, known, shown, expected, own=name == "logged")
        ndcg, recall = by_page(log, rows, _PAGES_AT_ONCE, partial(_ranking, log, shown))
        values[name] = PageValues(ndcg.numpy(), recall.numpy(), weighted)
    return values


def known_propensity(log: ExposureLog) -> Propensity | None:
    """What clicks are weighed by: the placements' propensities, which hold for more pages, where
    every slot has one; else those of the choices, where every slot has one; else None.
    """
    for propensity in Propensity:
        if not np.isnan(getattr(log, propensity)).any():
            return propensity
    return None


def _weighted(
    log: ExposureLog,
    known: Propensity,
    order: NDArray[np.int64],
    expected: Floats | None,
    *,
    own: bool,
) -> WeightedValues:
    """Estimates the clicks in slates [E, N] from those in the logged ones.

    `expected` [E, N] are clicks as a model predicts them, None where there is no model; `own` says
    that the behavior policy drew the slates.
    """
    width = order.shape[1]
    pages = log.shown(np.arange(len(log)), width)
    shown = pad_slots(pages.slates, width).numpy()
    clicks, propensity = (
        pad_slots(values, width, 0).numpy() for values in (pages.clicks, getattr(pages, known))
    )
    filled = shown >= 0
    weights_of = placement_weights if known is Propensity.PLACEMENT else prefix_weights
    weights = filled.astype(np.float64) if own else weights_of(shown, order, propensity)
    robust = None
    if expected is not None:
        robust = counterfactual.doubly_robust(clicks, weights, expected, expected)
    target_slots = (order >= 0).sum(axis=1).astype(np.float64)
    return WeightedValues(
        counterfactual.ips(clicks, weights),
        counterfactual.self_normalised(clicks, weights, target_slots),
        robust,
        weights,
        target_slots,
    )


def _ranking(
    log: ExposureLog, slates: NDArray[np.int64], rows: NDArray[np.int64]
) -> tuple[Tensor, Tensor]:
    """NDCG and recall, each [B], of some of the slates [E, N]; logged clicks are the relevance."""
    pages = log.shown(rows)
    widest = int(np.diff(log.candidate_offsets)[rows].max())
    relevance = torch.zeros(len(rows), widest)
    relevance.scatter_add_(1, pages.slates.clamp(min=0), pages.clicks * (pages.slates >= 0))
    values = (measure(relevance.numpy(), slates[rows]) for measure in (ndcg_at_k, recall_at_k))
    ndcg, recall = map(torch.from_numpy, values)
    return ndcg, recall
