"""Rankers of other families on the features of an exposure log: LambdaMART, logistic regression."""

from __future__ import annotations

import dataclasses
from itertools import pairwise, product
from typing import Any

import lightgbm
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.metrics.ndcg import mean_ndcg, ndcg_at_k
from gerank.rl.utilities import page_click
from gerank.train.slot_features import SlotFeatures

Floats = NDArray[np.floating[Any]]
Settings = dict[str, Any]

LIGHTGBM_EXAMPLE: Settings = {
    "n_estimators": 100,
    "learning_rate": 0.1,
    "num_leaves": 31,
    "min_child_samples": 50,
    "min_child_weight": 5.0,
    "subsample": 0.9,
    "subsample_freq": 1,
}
"""The settings of LightGBM's own lambdarank example."""


def lambdamart(
    table: Floats, grades: NDArray[np.integer[Any]], sizes: NDArray[np.int64], settings: Settings
) -> lightgbm.LGBMRanker:
    """LambdaMART, fitted. Burges, "From RankNet to LambdaRank to LambdaMART", 2010.

    Args:
        table: [D, F].
        grades: [D]. The gain is 2^grade - 1.
        sizes: [Q] documents of each query, in the order of the table.
        settings: Are passed to LGBMRanker.
    """
    ranker = lightgbm.LGBMRanker(
        objective="lambdarank", random_state=0, n_jobs=1, deterministic=True, verbose=-1, **settings
    )
    return ranker.fit(table, grades, group=sizes)


def tuned_settings(
    table: Floats,
    grades: NDArray[np.integer[Any]],
    sizes: NDArray[np.int64],
    k: int,
    folds: int = 4,
) -> Settings:
    """The best of a small grid by NDCG@k, cross-fitted over queries."""
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    fold = np.random.default_rng(0).permutation(len(sizes)) % folds
    document_fold = np.repeat(fold, sizes)
    stages = (50, 100, 200, 400)
    found: dict[tuple[Any, ...], float] = {}
    grid = product((4, 8, 31), (10, 50), (0.3, 1.0), (0.05,))
    for leaves, least, share, rate in grid:
        settings = _settings(leaves, least, share, rate, stages[-1])
        scores = np.zeros((len(stages), len(table)))
        for held in range(folds):
            taught = document_fold != held
            ranker = lambdamart(table[taught], grades[taught], sizes[fold != held], settings)
            for place, trees in enumerate(stages):
                scores[place, ~taught] = ranker.predict(table[~taught], num_iteration=trees)
        for place, trees in enumerate(stages):
            ndcg = ndcg_at_k(*_by_query(2.0**grades - 1, scores[place], offsets, k))
            found[leaves, least, share, rate, trees] = mean_ndcg(ndcg).value
    return _settings(*max(found, key=lambda key: found[key]))


def _settings(leaves: int, least: int, share: float, rate: float, trees: int) -> Settings:
    return {
        "n_estimators": trees,
        "learning_rate": rate,
        "num_leaves": leaves,
        "min_child_samples": least,
        "colsample_bytree": share,
        "subsample": 0.9,
        "subsample_freq": 1,
    }


def _by_query(
    gains: Floats, scores: Floats, offsets: NDArray[np.int64], k: int
) -> tuple[Floats, NDArray[np.int64]]:
    """[Q, M] gains and [Q, k] order by falling score."""
    widest = int(np.diff(offsets).max())
    table = np.zeros((len(offsets) - 1, widest))
    for query, (first, last) in enumerate(pairwise(offsets)):
        table[query, : last - first] = gains[first:last]
    return table, by_score(scores, offsets, k).numpy()


def by_score(scores: Floats, offsets: NDArray[np.int64], slots: int) -> Tensor:
    """[E, N] slates by falling score [sum M], ties by place; -1 behind the end."""
    slates = np.full((len(offsets) - 1, slots), -1, dtype=np.int64)
    for page, (first, last) in enumerate(pairwise(offsets)):
        order = np.argsort(-scores[first:last], kind="stable")[:slots]
        slates[page, : len(order)] = order
    return torch.from_numpy(slates)


class CandidateTable:
    """What can be known of a candidate before it is placed: a table for rankers of items.

    The slot is a column too, for models that learn from shown slots.
    """

    def __init__(self, schema: FeatureSchema) -> None:
        self._features = SlotFeatures(dataclasses.replace(schema, groups=(), flags=()))

    def shown(self, log: ExposureLog) -> Floats:
        """[sum N, F] of all shown slots, in the order of the log."""
        pages = log.batch(np.arange(len(log)))
        return self(pages, pages.slates.unsqueeze(1))

    def candidates(self, log: ExposureLog) -> Floats:
        """[sum M, F] of all candidates as if in the first slot, in the order of the log."""
        pages = log.batch(np.arange(len(log)))
        places = torch.arange(pages.candidate_mask.size(1)).expand(pages.candidate_mask.shape)
        table = self(pages, places.masked_fill(~pages.candidate_mask, -1).unsqueeze(1))
        table[:, 0] = 0
        return table

    def __call__(self, pages: ExposureBatch, slates: Tensor) -> Floats:
        """See `SlotFeatures`."""
        return self._features(pages, slates)

    def one_hot(self, table: Floats, slots: int) -> Floats:
        """The same, ids and slot (below `slots`) as a column per value."""
        wide = [(0, slots), *self._features.categorical.items()]
        plain = np.setdiff1d(np.arange(table.shape[1]), [column for column, _ in wide])
        parts = [table[:, plain]]
        parts += [np.eye(values)[table[:, column].astype(np.int64)] for column, values in wide]
        return np.concatenate(parts, axis=1)


class LogisticClicks:
    """Logistic regression of slot clicks: a `Feedback`, and an order of candidates."""

    def __init__(self, log: ExposureLog, strength: float = 0.01) -> None:
        """`strength`: inverse of the ridge penalty, on standardised columns."""
        self._table = CandidateTable(log.schema)
        self._slots = int(np.diff(log.slate_offsets).max())
        self._model = make_pipeline(
            StandardScaler(), LogisticRegression(C=strength, max_iter=500)
        ).fit(self._table.one_hot(self._table.shown(log), self._slots), log.clicks > 0)

    def order(self, log: ExposureLog, slots: int) -> Tensor:
        """[E, N] candidates by falling click probability in the first slot."""
        return by_score(self._predict(self._table.candidates(log)), log.candidate_offsets, slots)

    def __call__(
        self, rows: NDArray[Any], pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `gerank.train.feedback.Feedback`."""
        click = torch.zeros(slates.shape)
        predicted = self._predict(self._table(pages, slates))
        click[slates >= 0] = torch.from_numpy(predicted).float()
        return click, page_click(click, slates >= 0)

    def _predict(self, table: Floats) -> Floats:
        probability: Floats = self._model.predict_proba(self._table.one_hot(table, self._slots))
        return probability[:, 1]


def lambdamart_order(train: ExposureLog, test: ExposureLog, slots: int) -> Tensor:
    """[E, N] candidates of `test` by a LambdaMART of clicks and non-clicks in `train`."""
    table = CandidateTable(train.schema)
    settings = _settings(leaves=15, least=100, share=0.5, rate=0.05, trees=200)
    ranker = lambdamart(
        table.shown(train)[:, 1:],
        (train.clicks > 0).astype(int),
        np.diff(train.slate_offsets),
        settings | {"lambdarank_truncation_level": slots + 5},
    )
    scores = ranker.predict(table.candidates(test)[:, 1:])
    return by_score(scores, test.candidate_offsets, slots)
