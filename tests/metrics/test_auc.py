from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from gerank.metrics import auc, group_aucs, grouped_auc


def test_auc_is_the_share_of_pairs_in_order_with_ties_half() -> None:
    labels, scores = [1, 0, 1, 0], [0.9, 0.5, 0.5, 0.1]
    # Pairs (positive, negative): 0.9 > 0.5, 0.9 > 0.1, 0.5 = 0.5, 0.5 > 0.1.
    assert auc(labels, scores) == (1 + 1 + 0.5 + 1) / 4


@pytest.mark.parametrize("seed", range(5))
def test_auc_agrees_with_scikit_learn_on_scores_with_many_ties(seed: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.append([0, 1], rng.integers(0, 2, size=200))
    scores = rng.integers(0, 20, size=202) / 7
    assert auc(labels, scores) == pytest.approx(roc_auc_score(labels, scores), abs=1e-12)


def test_auc_of_constant_scores_is_one_half() -> None:
    assert auc([0, 1, 1], [3.0, 3.0, 3.0]) == 0.5


@pytest.mark.parametrize("seed", range(5))
def test_grouped_auc_is_the_mean_of_group_aucs_weighted_by_size(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = rng.integers(0, 12, size=90)
    labels = rng.integers(0, 2, size=90)
    scores = rng.integers(0, 9, size=90).astype(float)
    areas, sizes = [], []
    for person in np.unique(people):
        own = people == person
        if 0 < labels[own].sum() < own.sum():
            areas.append(roc_auc_score(labels[own], scores[own]))
            sizes.append(own.sum())
    result = grouped_auc(labels, scores, people)
    assert result.value == pytest.approx(np.average(areas, weights=sizes), abs=1e-12)
    assert result.groups == len(areas)
    assert result.skipped == len(np.unique(people)) - len(areas)


def test_grouped_auc_takes_away_what_is_only_a_persons_rate() -> None:
    people = np.repeat(["clicks much", "clicks little"], 4)
    labels = [1, 1, 1, 0, 0, 0, 0, 1]
    rate = np.where(people == "clicks much", 0.75, 0.25)
    assert auc(labels, rate) == 0.75
    assert grouped_auc(labels, rate, people) == (0.5, 2, 0)


def test_groups_of_one_class_are_skipped_and_counted() -> None:
    result = grouped_auc([1, 0, 1, 1, 0], [2.0, 1.0, 0.0, 0.0, 0.0], [7, 7, 8, 8, 9])
    assert result == (1.0, 1, 2)


@pytest.mark.parametrize(
    ("labels", "scores", "message"),
    [
        ([1, 1], [0.1, 0.2], r"2 of 2 labels are 1; needs both"),
        ([0, 2], [0.1, 0.2], r"labels\[1\] is 2.0, neither 0 nor 1"),
        ([0, 1], [0.1, np.nan], r"scores\[1\] is nan, not a finite number"),
        ([0, 1], [0.1, np.inf], r"scores\[1\] is inf"),
        ([0, 1], [0.1], r"scores: shape \[1\] is not that of labels \[2\]"),
        ([[0, 1]], [0.1, 0.2], r"labels: shape \[1, 2\] has not the axes \[E\]"),
        ([], [], r"labels: shape \[0\] holds nothing"),
    ],
)
def test_auc_names_what_is_wrong(labels: list[int], scores: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        auc(labels, scores)


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ([1, 2, 3, 4], "none of 4 groups holds both classes"),
        ([1, 2], r"groups: shape \[2\] is not \[4\]"),
        ([1.0, 1.0, np.nan, np.nan], "dtype float64; labels are integers or strings"),
    ],
)
def test_grouped_auc_names_what_is_wrong(groups: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        grouped_auc([0, 1, 0, 1], [1.0, 2.0, 3.0, 4.0], groups)


@pytest.mark.parametrize("seed", range(5))
def test_group_aucs_are_those_of_each_group_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pages, labels = rng.integers(0, 12, size=60), rng.integers(0, 2, size=60)
    scores = rng.integers(0, 9, size=60).astype(float)
    found = group_aucs(labels, scores, pages)
    for page, area in zip(np.unique(pages), found, strict=True):
        own = pages == page
        if 0 < labels[own].sum() < own.sum():
            assert area == pytest.approx(roc_auc_score(labels[own], scores[own]))
        else:
            assert np.isnan(area)
