"""NDCG of a slate chosen from a page's candidates."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import (
    FloatArray,
    IndexArray,
    index_array,
    real_array,
    reject,
    shaped_array,
)


class MeanNdcg(NamedTuple):
    """NDCG over pages.

    Attributes:
        value: Mean over the pages that have a relevant candidate.
        pages: How many these are.
        skipped: How many have none.
    """

    value: float
    pages: int
    skipped: int


def ndcg_at_k(relevance: ArrayLike, order: ArrayLike) -> FloatArray:
    """Discounted gain of the first k slots over that of the best k candidates.

    DCG = sum_n relevance(candidate at n) / log2(n + 2), n from 0. The gain is the relevance
    itself; for the exponential gain pass 2 ** relevance - 1. Järvelin and Kekäläinen, "Cumulated
    gain-based evaluation of IR techniques", TOIS 2002.

    Logged clicks as relevance assume that a click does not depend on the rest of the page.

    Args:
        relevance: [E, M]. Tells how relevant every candidate is, >= 0; 0 for padding.
        order: [E, k]. Candidate indices of the slate; -1 where it has no more (gain 0).

    Returns:
        [E]. 0..1, and NaN for a page without any relevant candidate, where the ratio is
        undefined: `mean_ndcg` leaves these out and counts them.

    Raises:
        ValueError: Shapes, NaN, infinity or a negative relevance, or an order that names a
            candidate twice or one that does not exist.
    """
    gain = real_array("ndcg_at_k: relevance", relevance, "EM")
    reject("ndcg_at_k: relevance", gain, gain < 0, "negative")
    slates = index_array("ndcg_at_k: order", order, "Ek", size=gain.shape[1])
    if len(slates) != len(gain):
        raise ValueError(f"ndcg_at_k: {len(slates)} orders for {len(gain)} pages")
    _check_distinct(slates)

    slots = slates.shape[1]
    taken = np.take_along_axis(gain, np.maximum(slates, 0), axis=1) * (slates >= 0)  # [E, k]
    best = -np.sort(-gain, axis=1)[:, :slots]  # [E, min(k, M)]
    discount = 1 / np.log2(np.arange(slots) + 2)
    ideal = best @ discount[: best.shape[1]]
    undefined = np.full(len(gain), np.nan)
    ratio: FloatArray = np.divide(taken @ discount, ideal, out=undefined, where=ideal > 0)
    return ratio


def mean_ndcg(values: ArrayLike) -> MeanNdcg:
    """Mean of `ndcg_at_k` over the pages where it is defined.

    Args:
        values: [E]. From `ndcg_at_k`; NaN where undefined.

    Raises:
        ValueError: Shape, infinity, or no page where it is defined.
    """
    pages = shaped_array("mean_ndcg: values", values, "E")
    reject("mean_ndcg: values", pages, np.isinf(pages), "not an NDCG")
    defined = ~np.isnan(pages)
    if not defined.any():
        raise ValueError(f"mean_ndcg: none of {len(pages)} pages has a relevant candidate")
    count = int(defined.sum())
    return MeanNdcg(float(pages[defined].mean()), count, len(pages) - count)


def _check_distinct(slates: IndexArray) -> None:
    ascending = np.sort(slates, axis=1)
    repeated = (ascending[:, 1:] == ascending[:, :-1]) & (ascending[:, 1:] >= 0)
    if repeated.any():
        page, place = np.argwhere(repeated)[0]
        candidate = ascending[page, place]
        raise ValueError(f"ndcg_at_k: order[{page}] names candidate {candidate} more than once")
