from __future__ import annotations

from math import log2

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from gerank.metrics import mean_ndcg, ndcg_at_k


def test_ndcg_by_hand() -> None:
    relevance = [[0, 3, 1, 0]]
    order = [[2, 0, 1]]
    gain = 1 / log2(2) + 0 / log2(3) + 3 / log2(4)
    ideal = 3 / log2(2) + 1 / log2(3)
    assert ndcg_at_k(relevance, order)[0] == pytest.approx(gain / ideal, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_ndcg_of_a_sort_by_score_agrees_with_scikit_learn(seed: int) -> None:
    rng = np.random.default_rng(seed)
    relevance = rng.integers(0, 4, size=(30, 12))
    relevance[:, 0] = 1  # scikit-learn defines a page without relevance as 0.
    scores = rng.random((30, 12))
    order = np.argsort(-scores, axis=1)[:, :5]
    assert ndcg_at_k(relevance, order).mean() == pytest.approx(
        ndcg_score(relevance, scores, k=5), abs=1e-12
    )


def test_the_best_order_has_one_and_any_order_lies_in_0_to_1() -> None:
    rng = np.random.default_rng(2)
    relevance = rng.integers(0, 2, size=(50, 8))
    relevance[:, 3] = 1
    best = np.argsort(-relevance, axis=1)[:, :4]
    np.testing.assert_allclose(ndcg_at_k(relevance, best), 1.0)
    any_order = rng.permuted(np.tile(np.arange(8), (50, 1)), axis=1)[:, :4]
    values = ndcg_at_k(relevance, any_order)
    assert ((values >= 0) & (values <= 1)).all()
    assert (values < 1).any()


def test_empty_slots_gain_nothing_and_keep_their_place() -> None:
    hole = ndcg_at_k([[1, 1, 0]], [[0, -1, 1]])[0]
    assert hole == pytest.approx((1 + 1 / log2(4)) / (1 + 1 / log2(3)), abs=1e-12)


def test_a_slate_longer_than_the_candidate_set_is_judged_by_its_candidates() -> None:
    assert ndcg_at_k([[0, 1]], [[1, 0, -1, -1]])[0] == pytest.approx(1.0)


def test_pages_without_relevance_are_nan_left_out_and_counted() -> None:
    values = ndcg_at_k([[1, 0], [0, 0], [0, 2]], [[0, 1], [0, 1], [0, 1]])
    assert list(np.isnan(values)) == [False, True, False]
    result = mean_ndcg(values)
    assert result.value == pytest.approx((1 + 1 / log2(3)) / 2, abs=1e-12)
    assert (result.pages, result.skipped) == (2, 1)


@pytest.mark.parametrize(
    ("relevance", "order", "message"),
    [
        ([[1, 0]], [[0, 0]], r"order\[0\] names candidate 0 more than once"),
        ([[1, 0]], [[2, 0]], r"order\[0, 0\] is 2, not below 2"),
        ([[1, 0]], [[-2, 0]], r"order\[0, 0\] is -2, below -1"),
        ([[1, 0]], [[0.0, 1.0]], "order: dtype float64 is not an integer type"),
        ([[1, -1]], [[0, 1]], r"relevance\[0, 1\] is -1.0, negative"),
        ([[1, np.nan]], [[0, 1]], r"relevance\[0, 1\] is nan"),
        ([[1, 0]], [[0, 1], [0, 1]], "2 orders for 1 pages"),
        ([[1, 0]], [0, 1], r"order: shape \[2\] has not the axes \[E, k\]"),
    ],
)
def test_ndcg_names_what_is_wrong(
    relevance: list[list[float]], order: list[list[int]], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        ndcg_at_k(relevance, order)


@pytest.mark.parametrize(
    ("values", "message"),
    [([np.nan, np.nan], "none of 2 pages"), ([np.inf, 1.0], r"values\[0\] is inf")],
)
def test_mean_ndcg_names_what_is_wrong(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        mean_ndcg(values)
