"""Whether scores tell which slots of a page are clicked, beyond what the slots themselves tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import FloatArray, check_same_shape, real_array


def within_page_association(clicks: ArrayLike, scores: ArrayLike, mask: ArrayLike) -> FloatArray:
    """a_p = sum_n (c_pn - mean_n c_p) (s_pn - mean_p s_n) over the filled slots of page p.

    Clicks are compared within their page and scores within their slot. Where scores tell nothing
    of the clicks, a_p has mean 0, whatever the click rates of pages and slots: were the clicks
    of a page dealt out anew among its slots, its mean would be exactly 0. So a mean above 0 by
    some standard errors says that the scores tell something.

    Args:
        clicks: [E, N]. c, 0 or 1.
        scores: [E, N]. s, from a model that was not trained on these pages.
        mask: [E, N]. 1 where a slot is filled, 0 where it is empty.

    Returns:
        [E]. 0 for an empty page.

    Raises:
        ValueError: Shapes, NaN or infinity.
    """
    clicked = real_array("clicks", clicks, "EN").astype(np.float64)
    given = real_array("scores", scores, "EN").astype(np.float64)
    filled = real_array("mask", mask, "EN").astype(np.float64)
    check_same_shape(clicks=clicked.shape, scores=given.shape, mask=filled.shape)
    by_page = (clicked * filled).sum(1, keepdims=True) / filled.sum(1, keepdims=True).clip(min=1)
    by_slot = (given * filled).sum(0) / filled.sum(0).clip(min=1)
    association: FloatArray = ((clicked - by_page) * (given - by_slot) * filled).sum(1)
    return association
