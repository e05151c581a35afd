from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_curve as sklearn_curve

from gerank.metrics import auc, roc_curve


def drawn(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels of both kinds, and scores with many ties."""
    rng = np.random.default_rng(seed)
    return np.append([0, 1], rng.integers(0, 2, size=120)), rng.integers(0, 15, size=122) / 7


def test_the_curve_by_hand() -> None:
    curve = roc_curve([1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1])
    assert curve.false_alarms.tolist() == [0.0, 0.0, 0.5, 1.0]
    assert curve.found.tolist() == [0.0, 0.5, 1.0, 1.0]


@pytest.mark.parametrize("number", range(4))
def test_the_area_below_it_is_the_auc(number: int, seed: int) -> None:
    labels, scores = drawn(seed + number)
    curve = roc_curve(labels, scores)
    assert np.trapezoid(curve.found, curve.false_alarms) == pytest.approx(auc(labels, scores))


def test_it_agrees_with_scikit_learn_whatever_the_order_of_examples(seed: int) -> None:
    labels, scores = drawn(seed)
    expected = sklearn_curve(labels, scores, drop_intermediate=False)[:2]
    shuffled = np.random.default_rng(seed).permutation(len(labels))
    for ours in (roc_curve(labels, scores), roc_curve(labels[shuffled], scores[shuffled])):
        for mine, theirs in zip(ours, expected, strict=True):
            np.testing.assert_allclose(mine, theirs)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1], [0.5, 0.6], "2 of 2 labels are 1; needs both"),
        ([0, 0], [0.5, 0.6], "0 of 2 labels are 1; needs both"),
        ([0, 1], [0.5, np.nan], r"scores\[1\] is nan"),
        ([0, 1], [0.5], r"scores: shape \[1\]"),
    ],
)
def test_it_names_what_is_wrong(labels: list[int], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        roc_curve(labels, scores)
