"""Simulated pages with further feedback, each kind of which depends on a feature of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.feedback_kind import FeedbackKind, FurtherFeedback
from tests.train.tiny import tiny_log

KINDS = (
    FurtherFeedback("purchase", FeedbackKind.FLAG),
    FurtherFeedback("dwell", FeedbackKind.AMOUNT),
    FurtherFeedback("hide", FeedbackKind.FLAG),
    FurtherFeedback("saldo", FeedbackKind.AMOUNT),
)


def feedback_log(pages: int = 1500, seed: int = 0) -> ExposureLog:
    """Purchases and dwell follow clicks, hides do not; each depends on a feature of its own.

    Purchases follow popularity, dwell the value score, hides freshness; a saldo may be negative.
    """
    log, _ = tiny_log(pages, seed)
    rng = np.random.default_rng(5)
    page = np.repeat(np.arange(len(log)), np.diff(log.slate_offsets))
    at = log.candidate_offsets[page] + log.slates
    clicked = log.clicks > 0
    style = standard(log.candidate["popularity"])[at]
    price = standard(log.candidate["value_score"])[at]
    fresh = log.candidate["fresh"][at] > 0
    purchase = clicked & (rng.random(len(at)) < 1 / (1 + np.exp(-2 * style)))
    dwell = np.where(clicked, rng.exponential(20 * np.exp(price)), np.nan)
    hide = rng.random(len(at)) < np.where(fresh, 0.4, 0.05)
    saldo = np.where(clicked, 5 * style + rng.normal(size=len(at)), 0)
    values = (purchase, dwell, hide, saldo)
    return replace(
        log,
        schema=replace(log.schema, feedback=KINDS),
        feedback={k.name: v.astype(np.float32) for k, v in zip(KINDS, values, strict=True)},
    )


def standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / values.std()
