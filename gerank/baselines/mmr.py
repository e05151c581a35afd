"""Maximal marginal relevance: relevance less the likeness to what was chosen.

Carbonell and Goldstein, "The use of MMR, diversity-based reranking for reordering documents and
producing summaries", SIGIR 1998. The paper leaves both similarities open. Relevance is scaled to
0..1 within a page, so that one tradeoff means the same on all of them; likeness is that of group
keys or of dense features. Beside the paper's maximum over all that was chosen, one over the last
slots alone is tried: feeds are read through a window.
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


class Mmr(SlotwiseComparator):
    """Takes argmax of `tradeoff * relevance - (1 - tradeoff) * max similarity` at every slot.

    Settings:
        tradeoff: Weight of relevance, 0..1.
        relevance: See `gerank.baselines.relevance`.
        similarity: See `gerank.baselines.similarity`.
        window: Last slots that a candidate is compared with; 0 = all.
    """

    name = "mmr"
    paper = "Carbonell and Goldstein, SIGIR 1998"
    not_served = "its relevance and likeness are computed by NumPy and scikit-learn"
    draws = False
    grid = MappingProxyType(
        {
            "tradeoff": (0.9, 0.7, 0.5, 0.95, 0.98),
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
        tradeoff = self.settings["tradeoff"]
        if not 0 <= tradeoff <= 1:
            raise ValueError(f"mmr: tradeoff is {tradeoff}, not in 0..1")
        self._similarity = Similarity(self.settings["similarity"], pages)
        self._relevance = Relevance(self.settings["relevance"], pages)

    def scores(self, log: ExposureLog, rows: NDArray[np.int64]) -> SlotScores:
        """See `SlotwiseComparator`."""
        relevance, alike = self._relevance(log, rows), self._similarity(log, rows)
        window = self.settings["window"]
        return lambda chosen: marginal_relevance(
            relevance, alike, chosen[:, -window:], self.settings["tradeoff"]
        )


def marginal_relevance(
    relevance: NDArray[np.float64],
    similarity: NDArray[np.float64],
    chosen: NDArray[np.int64],
    tradeoff: float,
) -> NDArray[np.float64]:
    """MMR of every candidate.

    Args:
        relevance: [B, M].
        similarity: [B, M, M].
        chosen: [B, n]. Candidates to keep away from; -1 = none.
        tradeoff: Weight of relevance, 0..1.

    Returns:
        [B, M]. Where nothing was chosen there is nothing to be like.
    """
    nearest = np.zeros(relevance.shape)
    if chosen.shape[1]:
        index = np.maximum(chosen, 0)[:, :, None]
        likeness = np.take_along_axis(similarity, index, axis=1)  # [B, n, M]
        nearest = np.where(chosen[:, :, None] >= 0, likeness, 0.0).max(axis=1)
    return tradeoff * relevance - (1 - tradeoff) * nearest
