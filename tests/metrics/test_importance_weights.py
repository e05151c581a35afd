from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gerank.metrics import effective_sample_size, placement_weights, prefix_weights


def test_placement_weights_by_hand() -> None:
    weights = placement_weights(
        [[3, 1, -1], [2, 0, 1]], [[3, 2, -1], [2, 0, -1]], np.full((2, 3), 0.25)
    )
    np.testing.assert_array_equal(weights, [[4, 0, 0], [4, 4, 0]])


def test_propensities_are_not_read_at_empty_slots() -> None:
    np.testing.assert_array_equal(
        placement_weights([[0, -1]], [[0, -1]], [[0.5, np.nan]]), [[2, 0]]
    )


def test_prefix_weights_by_hand() -> None:
    logged = [[3, 1, 2], [2, 0, 1], [1, 0, -1]]
    target = [[3, 2, 2], [2, 0, 1], [1, 0, -1]]
    choices = np.log([[0.5, 0.5, 1.0], [0.5, 0.25, 1.0], [0.1, 0.5, np.nan]])
    weights = prefix_weights(logged, target, choices)
    np.testing.assert_allclose(weights, [[2, 0, 0], [2, 8, 8], [10, 20, 0]])


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ([[-0.5, np.nan]], r"log_propensity\[0, 1\] is nan, no logarithm of a probability"),
        ([[-np.inf, -0.5]], r"log_propensity\[0, 0\] is -inf, no logarithm"),
        ([[-0.5, 0.1]], r"log_propensity\[0, 1\] is 0.1, no logarithm"),
        ([[-0.5]], r"log_propensity: shape \[1, 1\] is not that of logged \[1, 2\]"),
    ],
)
def test_unusable_choices_are_named(choices: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prefix_weights(PAGE, PAGE, choices)


def test_a_target_beyond_the_logged_slots_is_named() -> None:
    message = r"prefix_weights: target\[0, 1\] is 1, at a slot that was logged empty"
    with pytest.raises(ValueError, match=message):
        prefix_weights([[0, -1]], [[0, 1]], [[-0.5, -0.5]])


def test_effective_sample_size_by_hand() -> None:
    sizes = effective_sample_size([[1.0, 3.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(sizes, [3, (3 + 1) ** 2 / (9 + 1), 0])


def test_effective_sample_size_is_free_of_scale_even_where_squares_overflow() -> None:
    weights = np.random.default_rng(1).random((30, 2))
    np.testing.assert_allclose(
        effective_sample_size(weights * 1e200), effective_sample_size(weights)
    )


HALF = [[0.5, 0.5]]
PAGE = [[0, 1]]


@pytest.mark.parametrize(
    ("propensity", "message"),
    [
        ([[0.5, np.nan]], r"propensity\[0, 1\] is nan, not a probability in \(0, 1\]"),
        ([[0.0, 0.5]], r"propensity\[0, 0\] is 0.0, not a probability"),
        ([[0.5, 1.5]], r"propensity\[0, 1\] is 1.5, not a probability"),
        ([0.5], r"propensity: shape \[1\] has not the axes \[E, N\]"),
        ([[0.5]], r"propensity: shape \[1, 1\] is not that of logged \[1, 2\]"),
    ],
)
def test_unusable_propensities_are_named(propensity: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        placement_weights(PAGE, PAGE, propensity)


@pytest.mark.parametrize(
    ("logged", "target", "message"),
    [
        ([[0, -1]], [[0, 1]], r"target\[0, 1\] is 1, at a slot that was logged empty"),
        ([[0, 1]], [[0]], r"target: shape \[1, 1\] is not that of logged \[1, 2\]"),
        ([[0.0, 1.0]], [[0, 1]], "logged: dtype float64 is not an integer"),
    ],
)
def test_unusable_targets_are_named(logged: list[Any], target: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        placement_weights(logged, target, HALF)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([[1.0], [-1.0]], r"weights\[1, 0\] is -1.0, negative"),
        ([[1.0], [np.inf]], r"weights\[1, 0\] is inf, not a finite number"),
        ([1.0], r"weights: shape \[1\] has not the axes \[E, N\]"),
    ],
)
def test_unusable_weights_are_named(weights: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        effective_sample_size(weights)
