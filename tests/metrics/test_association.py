"""What scores tell of clicks within pages, beyond pages and slots."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest

from gerank.metrics.association import within_page_association


def test_by_hand() -> None:
    clicks = np.array([[1, 0], [0, 0]])
    scores = np.array([[3.0, 1.0], [1.0, 0.0]])
    # Slot means 2 and .5; the first page's clicks lie .5 above and .5 below its mean.
    found = within_page_association(clicks, scores, np.ones((2, 2)))
    assert found.tolist() == [0.5 * (3 - 2) - 0.5 * (1 - 0.5), 0.0]


def test_clicks_dealt_out_anew_have_no_association_on_average(seed: int) -> None:
    scores = np.random.default_rng(seed).normal(size=(1, 4)).repeat(24, axis=0)
    scores = np.concatenate([scores, np.random.default_rng(seed + 1).normal(size=(7, 4))])
    dealt = np.array(list(permutations([1, 1, 0, 0])))
    clicks = np.concatenate([dealt, np.zeros((7, 4))])
    found = within_page_association(clicks, scores, np.ones_like(scores))
    assert abs(found[:24].mean()) < 1e-12
    assert abs(found[:24]).max() > 0.01


def test_a_slot_that_is_clicked_more_and_holds_larger_scores_is_no_association(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(40000, 3)) + np.array([5.0, 1.0, 0.0])
    clicks = rng.random((40000, 3)) < np.array([0.6, 0.3, 0.1])
    found = within_page_association(clicks.astype(float), scores, np.ones((40000, 3)))
    assert abs(found.mean()) < 4 * found.std() / 200


def test_scores_that_tell_clicks_have_one(seed: int) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(4000, 3))
    clicks = (rng.random((4000, 3)) < 1 / (1 + np.exp(-scores))).astype(float)
    found = within_page_association(clicks, scores, np.ones((4000, 3)))
    assert found.mean() > 10 * found.std() / 4000**0.5


def test_empty_slots_change_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clicks, scores = (rng.random((6, 4)) < 0.4).astype(float), rng.normal(size=(6, 4))
    mask = np.ones((6, 4))
    mask[:, 3] = 0
    plain = within_page_association(clicks[:, :3], scores[:, :3], np.ones((6, 3)))
    moved = scores.copy()
    moved[:, 3] = 99.0
    clicks[:, 3] = 1
    assert within_page_association(clicks, moved, mask) == pytest.approx(plain)
    assert within_page_association(clicks, scores, np.zeros((6, 4))).tolist() == [0.0] * 6


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match="scores"):
        within_page_association(np.ones((2, 2)), np.ones((2, 3)), np.ones((2, 2)))
