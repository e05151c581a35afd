"""How relevant candidates are by themselves: what diversity and rules are weighed against."""

from __future__ import annotations

from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from gerank.baselines.comparator import Pages
from gerank.baselines.logistic_regression import LogisticClicks
from gerank.baselines.upstream_score import lacking_for_score, score_column, score_of
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema


class RelevanceKind(StrEnum):
    """Where relevance comes from."""

    LOGISTIC_REGRESSION = "logistic_regression"
    UPSTREAM_SCORE = "upstream_score"


def lacking_for_relevance(kind: object, schema: FeatureSchema, score: str | None) -> str:
    """What pages lack for a kind of relevance; empty where they have it all."""
    return lacking_for_score(schema, score) if kind == RelevanceKind.UPSTREAM_SCORE else ""


class Relevance:
    """A relevance in 0..1 within every page: its least relevant candidate has 0, its most has 1."""

    def __init__(self, kind: RelevanceKind | str, pages: Pages) -> None:
        """Fits it to the training pages.

        Raises:
            ValueError: There is no such kind.
            UnfitPagesError: The pages have no upstream score, or no clicks to learn from.
        """
        self._model: LogisticClicks | None = None
        self._score = ""
        if kind not in list(RelevanceKind):
            raise ValueError(f"relevance: {kind!r} is not one of {', '.join(RelevanceKind)}")
        if kind == RelevanceKind.UPSTREAM_SCORE:
            self._score = score_of(pages)
        else:
            self._model = LogisticClicks(pages.log, pages.train)

    def __call__(self, log: ExposureLog, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """[B, M] of the pages `rows`; 0 at padding."""
        if self._model is None:
            values = score_column(log, rows, self._score)
        else:
            values = self._model.first_slot(log, rows)
        real = np.arange(values.shape[1]) < np.diff(log.candidate_offsets)[rows][:, None]
        return scaled_within(values, real)


def scaled_within(values: NDArray[np.float64], real: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Values [B, M] as 0..1 between the lowest and the highest of the real ones; 0 elsewhere.

    Where all are alike, all are 0.
    """
    low = np.where(real, values, np.inf).min(axis=1, keepdims=True)
    high = np.where(real, values, -np.inf).max(axis=1, keepdims=True)
    scaled: NDArray[np.float64] = (values - low) / np.where(high > low, high - low, 1.0)
    return np.where(real, scaled, 0.0)
