"""Policies judged by logged clicks and known propensities, without an evaluator's opinion.

Values come per page first and become tables later, so that pages of several runs (cross-fitting)
can be put together in between.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.metrics import counterfactual
from gerank.metrics.importance_weights import placement_weights
from gerank.metrics.ndcg import ndcg_at_k
from gerank.train.report import Table, show_mean, show_ratio

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class PageValues:
    """What logged clicks say of one policy, per page [E].

    Attributes:
        ips: Inverse propensity estimate of the clicks in the slate.
        snips: Numerator and denominator of the self-normalised estimate.
        doubly_robust: None where no click model was given.
        ndcg: Of logged clicks; NaN where a page has none or does not show all its candidates.
    """

    ips: Floats
    snips: tuple[Floats, Floats]
    doubly_robust: Floats | None
    ndcg: Floats

    @classmethod
    def concatenate(cls, parts: list[PageValues]) -> PageValues:
        """Pages of several folds as one."""
        robust = [part.doubly_robust for part in parts if part.doubly_robust is not None]
        return cls(
            np.concatenate([part.ips for part in parts]),
            (
                np.concatenate([part.snips[0] for part in parts]),
                np.concatenate([part.snips[1] for part in parts]),
            ),
            np.concatenate(robust) if len(robust) == len(parts) else None,
            np.concatenate([part.ndcg for part in parts]),
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
        log: The E pages, with placement propensities.
    """
    width = next(iter(slates.values())).size(1)
    pages = log.batch(np.arange(len(log)), width)
    clicks, propensity = (
        _padded(values, width, 0.0).numpy() for values in (pages.clicks, pages.placement_propensity)
    )
    shown = _padded(pages.slates, width, -1).numpy()
    filled = shown >= 0
    relevance = _relevance(log)
    values = {}
    for name, order in slates.items():
        if name == "logged":  # drawn by the behavior policy itself: every weight is 1
            weights = filled.astype(np.float64)
        else:
            weights = placement_weights(shown, np.where(filled, order, -1), propensity)
        robust = None
        if predictions is not None:
            expected = predictions[name].numpy() * filled
            robust = counterfactual.doubly_robust(clicks, weights, expected, expected)
        values[name] = PageValues(
            counterfactual.ips(clicks, weights),
            counterfactual.self_normalised(clicks, weights, filled.sum(1)),
            robust,
            ndcg_at_k(relevance, order.numpy()),
        )
    return values


def clicks_table(values: dict[str, PageValues], people: NDArray[np.str_], slots: int) -> Table:
    """Clicks in the slate by three estimators, with intervals by person."""
    rows: list[tuple[str | float | None, ...]] = []
    for name, page in values.items():
        robust = None
        if page.doubly_robust is not None:
            robust = show_mean(page.doubly_robust, people)
        rows.append((name, show_mean(page.ips, people), show_ratio(*page.snips, people), robust))
    columns = ("slates", "IPS", "self-normalised", "doubly robust")
    return Table(f"Clicks in the first {slots}, from logged clicks", columns, tuple(rows))


def ndcg_table(values: dict[str, PageValues], people: NDArray[np.str_], slots: int) -> Table:
    """NDCG of logged clicks, and the generator's paired difference from the others."""
    kept = ~np.isnan(values["generator"].ndcg)
    ours = values["generator"].ndcg[kept]
    rows: list[tuple[str | float | None, ...]] = []
    for name, page in values.items():
        theirs = page.ndcg[kept]
        gain = None if name == "generator" else show_mean(ours - theirs, people[kept])
        rows.append((name, show_mean(theirs, people[kept]), gain))
    title = f"NDCG@{slots} of logged clicks, {int(kept.sum())} pages with a click"
    return Table(title, ("slates", "NDCG", "generator minus it"), tuple(rows))


def _relevance(log: ExposureLog) -> Floats:
    """[E, M] logged clicks per candidate; all 0 where a page did not show all its candidates."""
    pages = log.batch(np.arange(len(log)))
    relevance = torch.zeros(pages.candidate_mask.shape)
    relevance.scatter_add_(1, pages.slates.clamp(min=0), pages.clicks * (pages.slates >= 0))
    whole = np.diff(log.slate_offsets) == np.diff(log.candidate_offsets)
    return (relevance * torch.from_numpy(whole).unsqueeze(1)).numpy()


def _padded(values: Tensor, width: int, padding: float) -> Tensor:
    return torch.nn.functional.pad(values, (0, width - values.size(1)), value=padding)
