"""Determinantal point process, greedy MAP: the slate whose items span the largest volume.

Chen, Zhang and Zhou, "Fast greedy MAP inference for determinantal point process to improve
recommendation diversity", NeurIPS 2018. The kernel is L_ij = q_i S_ij q_j with q_i = exp(alpha r_i)
and alpha = theta / (2 (1 - theta)), so that log det(L_R) is proportional to
theta sum_{i in R} r_i + (1 - theta) log det(S_R), as in their section on the tradeoff.

They leave open what happens when S_R becomes singular, as it must where a page has more slots than
groups: a thousandth of the identity is mixed into S, so that relevance decides from there on. Their
window of slots, in which alone items are kept apart, is a setting. The gain of a candidate is the
Schur complement against the window, solved afresh at each slot: the same numbers as their
incremental Cholesky factor, for slates of tens of slots at little cost.
"""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gerank.baselines.comparator import Pages
from gerank.baselines.relevance import Relevance, lacking_for_relevance
from gerank.baselines.similarity import Similarity, lacking_for_similarity
from gerank.baselines.slotwise import SlotScores, SlotwiseComparator
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema

_IDENTITY = 1e-3
_LEAST = 1e-12


class Dpp(SlotwiseComparator):
    """Takes the candidate that raises log det(L_R) most at every slot.

    Settings:
        theta: Weight of relevance, 0..1 without 1.
        relevance: See `gerank.baselines.relevance`.
        similarity: See `gerank.baselines.similarity`.
        window: Last slots that a candidate is kept apart from; 0 = all.
    """

    name = "dpp"
    paper = "Chen et al., NeurIPS 2018"
    not_served = "its relevance and likeness are computed by NumPy and scikit-learn"
    draws = False
    grid = MappingProxyType(
        {
            "theta": (0.9, 0.7, 0.5, 0.97, 0.99),
            "relevance": ("logistic_regression", "upstream_score"),
            "similarity": ("groups", "features"),
            "window": (0, 1, 3),
        }
    )

    @classmethod
    def lacks(cls, setting: str, value: object, schema: FeatureSchema, score: str | None) -> str:
        """See `Comparator`."""
        if setting == "relevance":
            return lacking_for_relevance(value, schema, score)
        return lacking_for_similarity(value, schema) if setting == "similarity" else ""

    def fit(self, pages: Pages) -> None:
        """Fits relevance and similarity."""
        theta = self.settings["theta"]
        if not 0 <= theta < 1:
            raise ValueError(f"dpp: theta is {theta}, not in [0, 1)")
        self._similarity = Similarity(self.settings["similarity"], pages)
        self._relevance = Relevance(self.settings["relevance"], pages)

    def scores(self, log: ExposureLog, rows: NDArray[np.int64]) -> SlotScores:
        """See `SlotwiseComparator`."""
        relevance, alike = self._relevance(log, rows), regular(self._similarity(log, rows))
        window = self.settings["window"]
        return lambda chosen: log_det_gain(
            relevance, alike, chosen[:, -window:], self.settings["theta"]
        )


def regular(similarity: NDArray[np.float64]) -> NDArray[np.float64]:
    """[B, M, M] with a little of the identity, so that every principal minor is positive."""
    return (1 - _IDENTITY) * similarity + _IDENTITY * np.eye(similarity.shape[1])


def log_det_gain(
    relevance: NDArray[np.float64],
    similarity: NDArray[np.float64],
    chosen: NDArray[np.int64],
    theta: float,
) -> NDArray[np.float64]:
    """Log det(L_{R + i}) - log det(L_R) of every candidate i.

    Args:
        relevance: [B, M]. r.
        similarity: [B, M, M]. S, positive definite.
        chosen: [B, n]. R; -1 = none.
        theta: Weight of relevance, in [0, 1).

    Returns:
        [B, M]. Of a candidate that was chosen already, a very low number.
    """
    alpha = theta / (2 * (1 - theta))
    left = np.diagonal(similarity, axis1=1, axis2=2)
    if chosen.shape[1]:
        pages, index = np.arange(len(chosen))[:, None], np.maximum(chosen, 0)
        none = chosen < 0
        rows = np.where(none[:, :, None], 0.0, similarity[pages, index])  # [B, n, M]
        inner = np.take_along_axis(rows, index[:, None, :], axis=2)  # [B, n, n]
        apart = none[:, :, None] | none[:, None, :]
        inner = np.where(apart, np.eye(chosen.shape[1]), inner)
        left = left - (rows * np.linalg.solve(inner, rows)).sum(axis=1)
    gain: NDArray[np.float64] = 2 * alpha * relevance + np.log(np.maximum(left, _LEAST))
    return gain
