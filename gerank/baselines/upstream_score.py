"""The sort by the upstream score: what a page is before anybody re-ranks it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gerank.baselines.comparator import Pages, ServedModule, UnfitPagesError
from gerank.baselines.score_network import ScoreNetwork
from gerank.baselines.slotwise import SlotScores, SlotwiseComparator, fixed
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema


class UpstreamScore(SlotwiseComparator):
    """Sorts by the dense candidate feature that `Pages.score` names, highest first."""

    name = "upstream_score"
    paper = "the ranker before re-ranking"
    not_served = ""
    draws = False

    def fit(self, pages: Pages) -> None:
        """Remembers which feature it is.

        Raises:
            UnfitPagesError: The pages have no upstream score.
        """
        self._score = score_of(pages)
        self._schema = pages.log.schema

    def scores(self, log: ExposureLog, rows: NDArray[np.int64]) -> SlotScores:
        """See `SlotwiseComparator`."""
        return fixed(score_column(log, rows, self._score))

    def served(self) -> ServedModule:
        """See `Comparator`."""
        return ServedModule(ScoreNetwork(self._schema, self._score).eval(), {})


def score_of(pages: Pages) -> str:
    """The name of the upstream score.

    Raises:
        UnfitPagesError: No score is named, or it is no dense feature of the candidates.
    """
    lacking = lacking_for_score(pages.log.schema, pages.score)
    if lacking or pages.score is None:
        raise UnfitPagesError(lacking)
    return pages.score


def lacking_for_score(schema: FeatureSchema, score: str | None) -> str:
    """Why there is no upstream score; empty where there is one."""
    if score is None:
        return "data.score names no feature that the pages were sorted by"
    names = [feature.name for feature in schema.candidate_dense]
    if score not in names:
        return f"data.score is {score!r}, not a dense feature of the candidates: {', '.join(names)}"
    return ""


def score_column(log: ExposureLog, rows: NDArray[np.int64], score: str) -> NDArray[np.float64]:
    """[B, M] a dense candidate feature of the pages `rows`; 0 at padding."""
    column = [feature.name for feature in log.schema.candidate_dense].index(score)
    values: NDArray[np.float64] = log.batch(rows).candidate_dense[..., column].double().numpy()
    return values
