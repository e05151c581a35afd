from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics import recall_at_k


def test_recall_by_hand() -> None:
    relevance = [[0.0, 3.0, 1.0, 0.0], [0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0]]
    found = recall_at_k(relevance, [[1, 0], [0, 1], [2, 1]])
    assert found.tolist()[::2] == [0.75, 1.0]
    assert np.isnan(found[1])


@pytest.mark.parametrize("seed", range(5))
def test_recall_does_not_heed_the_order_and_empty_slots_hold_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    relevance = rng.integers(0, 3, size=(20, 6)) + np.eye(6)[0]
    order = np.array([rng.permutation(6)[:4] for _ in range(20)])
    np.testing.assert_allclose(
        recall_at_k(relevance, order), recall_at_k(relevance, order[:, ::-1])
    )
    short = np.where(np.arange(4) < 2, order, -1)
    np.testing.assert_allclose(recall_at_k(relevance, short), recall_at_k(relevance, order[:, :2]))


@pytest.mark.parametrize(
    ("relevance", "order", "words"),
    [
        ([[1.0, -1.0]], [[0]], r"relevance\[0, 1\] is -1.0, negative"),
        ([[1.0, np.nan]], [[0]], "not a finite number"),
        ([[1.0, 2.0]], [[2]], r"order\[0, 0\] is 2, not below 2"),
        ([[1.0, 2.0]], [[0], [1]], "2 orders for 1 pages"),
    ],
)
def test_bad_arguments_are_named(
    relevance: list[list[float]], order: list[list[int]], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        recall_at_k(relevance, order)
