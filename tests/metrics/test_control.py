from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from scipy.stats import spearmanr

from gerank.metrics import hypervolume, pareto_front, spearman


@pytest.mark.parametrize("seed", range(4))
def test_spearman_agrees_with_scipy_on_values_with_ties(seed: int) -> None:
    first, second = np.random.default_rng(seed).integers(0, 8, size=(2, 40))
    assert spearman(first, second) == pytest.approx(spearmanr(first, second)[0], abs=1e-12)


def test_spearman_of_any_rising_curve_is_one() -> None:
    weight = np.linspace(0, 1, 9)
    assert spearman(weight, np.exp(5 * weight)) == pytest.approx(1.0)
    assert spearman(weight, -(weight**3)) == pytest.approx(-1.0)


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([1.0, 2.0], [3.0, 3.0], r"second is constant \(3.0\)"),
        ([1.0, 2.0], [3.0], r"second: shape \[1\]"),
        ([1.0, np.nan], [3.0, 4.0], r"first\[1\] is nan"),
    ],
)
def test_spearman_names_what_is_wrong(
    first: list[float], second: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        spearman(first, second)


def test_hypervolume_of_a_staircase_by_hand() -> None:
    # Over the reference (1, 1): boxes 1x3 and 2x1, overlapping in 1x1.
    assert hypervolume([[2, 4], [3, 2]], [1, 1]) == 3 + 2 - 1


@pytest.mark.parametrize("utilities", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_hypervolume_is_that_of_inclusion_and_exclusion(seed: int, utilities: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.integers(-1, 5, size=(6, utilities)).astype(float)
    reference = np.zeros(utilities)
    expected = 0.0
    for size in range(1, 7):
        for chosen in combinations(np.maximum(points, 0), size):
            expected -= (-1) ** size * np.prod(np.min(chosen, axis=0))
    assert hypervolume(points, reference) == pytest.approx(expected, abs=1e-9)


def test_points_not_above_the_reference_add_nothing() -> None:
    assert hypervolume([[5, 1], [1, 5]], [1, 1]) == 0.0
    assert hypervolume([[5, 1], [2, 2]], [1, 1]) == 1.0


@pytest.mark.parametrize(
    ("points", "reference", "message"),
    [
        ([[1.0, 2.0]], [0.0], r"reference: shape \[1\] is not that of points \[2\]"),
        ([[1.0, np.inf]], [0.0, 0.0], r"points\[0, 1\] is inf"),
        ([1.0, 2.0], [0.0, 0.0], r"points: shape \[2\] has not the axes \[P, U\]"),
    ],
)
def test_hypervolume_names_what_is_wrong(
    points: list[list[float]], reference: list[float], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        hypervolume(points, reference)


def test_the_front_by_hand() -> None:
    points = [[0, 3], [1, 1], [2, 2], [2, 2], [3, 0], [2, 0]]
    assert pareto_front(points).tolist() == [True, False, True, True, True, False]


@pytest.mark.parametrize("utilities", [1, 2, 3, 4])
@pytest.mark.parametrize("seed", range(3))
def test_points_behind_the_front_add_no_volume_and_points_on_it_do(
    seed: int, utilities: int
) -> None:
    points = np.random.default_rng(seed).integers(1, 5, size=(12, utilities)).astype(float)
    points = np.unique(points, axis=0)
    front, corner = pareto_front(points), np.zeros(utilities)
    whole = hypervolume(points, corner)
    assert hypervolume(points[front], corner) == pytest.approx(whole)
    for place in np.flatnonzero(front):
        rest = np.delete(points, place, axis=0)
        assert not len(rest) or hypervolume(rest, corner) < whole


def test_the_front_names_what_is_wrong() -> None:
    with pytest.raises(ValueError, match=r"pareto_front: points\[0, 1\] is nan"):
        pareto_front([[1.0, np.nan]])
