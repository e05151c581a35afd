"""LambdaMART on queries with graded documents: settings of the example, and tuned by NDCG."""

from __future__ import annotations

from itertools import pairwise, product
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.lambdamart import lambdamart
from gerank.metrics.ndcg import mean_ndcg, ndcg_at_k

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
