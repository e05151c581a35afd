"""Policies judged by logged clicks and known propensities, without an evaluator's opinion."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.metrics import counterfactual
from gerank.metrics.importance_weights import placement_weights
from gerank.metrics.intervals import difference_interval, mean_interval, ratio_interval
from gerank.metrics.ndcg import ndcg_at_k
from gerank.train.report import Table, show_interval

_SEED = 0


def clicks_table(
    slates: dict[str, Tensor], predictions: dict[str, Tensor] | None, log: ExposureLog
) -> Table:
    """Clicks in the slate by IPS, self-normalised IPS and doubly robust, with intervals by person.

    Args:
        slates: Policy name -> [E, N] int64; must not depend on the logged order.
        predictions: Policy name -> [E, N] click probabilities of its own slates, from a model that
            was not trained on these people; None: no doubly robust estimate.
        log: The E pages, with placement propensities.
    """
    rows: list[tuple[str | float | None, ...]] = []
    for name, order in slates.items():
        pages = log.batch(np.arange(len(log)), order.size(1))
        short = (0, order.size(1) - pages.slates.size(1))
        clicks, propensity = (
            torch.nn.functional.pad(values, short).numpy()
            for values in (pages.clicks, pages.placement_propensity)
        )
        shown = torch.nn.functional.pad(pages.slates, short, value=-1).numpy()
        if name == "logged":  # it was drawn by the behavior policy itself: a plain mean
            plain = show_interval(mean_interval(clicks.sum(1), log.person_ids, seed=_SEED))
            rows.append((name, plain, plain, plain if predictions else None))
            continue
        weights = placement_weights(shown, order.numpy(), propensity)
        ips = counterfactual.ips(clicks, weights)
        snips = counterfactual.self_normalised(clicks, weights)
        robust = None
        if predictions:
            expected = predictions[name].numpy()
            values = counterfactual.doubly_robust(clicks, weights, expected, expected)
            robust = show_interval(mean_interval(values, log.person_ids, seed=_SEED))
        rows.append(
            (
                name,
                show_interval(mean_interval(ips, log.person_ids, seed=_SEED)),
                show_interval(ratio_interval(*snips, log.person_ids, seed=_SEED)),
                robust,
            )
        )
    slots = next(iter(slates.values())).size(1)
    columns = ("slates", "IPS", "self-normalised", "doubly robust")
    return Table(f"Clicks in the first {slots}, from logged clicks", columns, tuple(rows))


def ndcg_table(slates: dict[str, Tensor], log: ExposureLog) -> Table:
    """NDCG of logged clicks, and the generator's paired difference from the others."""
    pages = log.batch(np.arange(len(log)))
    relevance = torch.zeros(pages.candidate_mask.shape)
    relevance.scatter_(1, pages.slates.clamp(min=0), pages.clicks * (pages.slates >= 0))
    scores = {name: ndcg_at_k(relevance.numpy(), order.numpy()) for name, order in slates.items()}
    kept = ~np.isnan(next(iter(scores.values())))
    people = log.person_ids[kept]
    rows: list[tuple[str | float | None, ...]] = []
    for name, values in scores.items():
        interval = mean_interval(values[kept], people, seed=_SEED)
        gain = None
        if name != "generator":
            ours = scores["generator"][kept]
            gain = show_interval(difference_interval(ours, values[kept], people, seed=_SEED))
        rows.append((name, show_interval(interval), gain))
    slots = next(iter(slates.values())).size(1)
    title = f"NDCG@{slots} of logged clicks, {int(kept.sum())} pages with a click"
    return Table(title, ("slates", "NDCG", "generator minus it"), tuple(rows))
