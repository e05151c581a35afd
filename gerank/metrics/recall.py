"""Recall of a slate chosen from a page's candidates."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import FloatArray, index_array, real_array, reject


def recall_at_k(relevance: ArrayLike, order: ArrayLike) -> FloatArray:
    """Share of a page's relevance that the first k slots hold, wherever they hold it.

    Args:
        relevance: [E, M]. Tells how relevant every candidate is, >= 0; 0 for padding.
        order: [E, k]. Candidate indices of the slate, each once; -1 where it has no more.

    Returns:
        [E]. 0..1, and NaN for a page without any relevant candidate.

    Raises:
        ValueError: Shapes, NaN, infinity or a negative relevance, or an order that names a
            candidate that does not exist.
    """
    gain = real_array("recall_at_k: relevance", relevance, "EM")
    reject("recall_at_k: relevance", gain, gain < 0, "negative")
    slates = index_array("recall_at_k: order", order, "Ek", size=gain.shape[1])
    if len(slates) != len(gain):
        raise ValueError(f"recall_at_k: {len(slates)} orders for {len(gain)} pages")
    taken = np.take_along_axis(gain, np.maximum(slates, 0), axis=1) * (slates >= 0)
    total = gain.sum(axis=1)
    undefined = np.full(len(gain), np.nan)
    share: FloatArray = np.divide(taken.sum(axis=1), total, out=undefined, where=total > 0)
    return share
