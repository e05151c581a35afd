"""Whether the numbers of a kind of feedback are what the kind says."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from gerank.data.feedback_kind import FeedbackKind

RULES: Mapping[FeedbackKind, str] = {
    FeedbackKind.FLAG: "is neither 0 nor 1 nor NaN (unknown)",
    FeedbackKind.COUNT: "is neither a whole number from 0 nor NaN (unknown)",
    FeedbackKind.AMOUNT: "is neither finite nor NaN (unknown)",
}
"""What is said of a value that contradicts its kind."""


def contradicts(kind: FeedbackKind, values: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Where values are none of their kind; NaN, which is unknown, never is."""
    known = ~np.isnan(values)
    if kind is FeedbackKind.FLAG:
        wrong = (values != 0) & (values != 1)
    elif kind is FeedbackKind.COUNT:
        wrong = ~np.isfinite(values) | (values < 0) | (np.floor(values) != values)
    else:
        wrong = ~np.isfinite(values)
    wrong_and_known: NDArray[np.bool_] = known & wrong
    return wrong_and_known


def kind_of(values: NDArray[np.float32]) -> FeedbackKind:
    """The narrowest kind that no value contradicts, for a file that does not tell it."""
    kinds = (FeedbackKind.FLAG, FeedbackKind.COUNT)
    return next((k for k in kinds if not contradicts(k, values).any()), FeedbackKind.AMOUNT)
