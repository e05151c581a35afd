from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gerank.metrics import (
    effective_sample_size,
    expected_prediction,
    placement_weights,
    prefix_weights,
    slate_weights,
    stochastic_placement_weights,
)


def test_placement_weights_by_hand() -> None:
    weights = placement_weights(
        [[3, 1, -1], [2, 0, 1]], [[3, 2, -1], [2, 0, -1]], np.full((2, 3), 0.25)
    )
    np.testing.assert_array_equal(weights, [[4, 0, 0], [4, 4, 0]])


def test_propensities_are_not_read_at_empty_slots() -> None:
    np.testing.assert_array_equal(
        placement_weights([[0, -1]], [[0, -1]], [[0.5, np.nan]]), [[2, 0]]
    )


def test_stochastic_placement_weights_by_hand() -> None:
    placement = [[[0.2, 0.5, 0.3], [0.8, 0.2, 0.0], [0.0, 0.0, 0.0]]]
    weights = stochastic_placement_weights([[1, 2, -1]], placement, [[0.25, 0.5, np.nan]])
    np.testing.assert_allclose(weights, [[0.5 / 0.25, 0.0 / 0.5, 0]])


@pytest.mark.parametrize("seed", range(3))
def test_a_deterministic_target_is_the_stochastic_one_that_is_sure(seed: int) -> None:
    rng = np.random.default_rng(seed)
    logged, target = (rng.permuted(np.tile(np.arange(4), (20, 1)), axis=1)[:, :3] for _ in range(2))
    propensity = rng.uniform(0.1, 1, size=(20, 3))
    sure = np.eye(4)[target]
    np.testing.assert_allclose(
        stochastic_placement_weights(logged, sure, propensity),
        placement_weights(logged, target, propensity),
    )
    prediction = rng.random((20, 3, 4))
    np.testing.assert_allclose(
        expected_prediction(sure, prediction),
        np.take_along_axis(prediction, target[..., None], axis=2)[..., 0],
    )


def test_expected_prediction_by_hand() -> None:
    expected = expected_prediction([[[0.25, 0.75], [1.0, 0.0]]], [[[0.4, 0.8], [0.1, 0.9]]])
    np.testing.assert_allclose(expected, [[0.25 * 0.4 + 0.75 * 0.8, 0.1]])


def test_prefix_weights_are_products_up_to_the_slot_and_slate_weights_the_last() -> None:
    target, behavior = [[0.5, 0.4, 0.9]], [[0.25, 0.8, 0.3]]
    weights = prefix_weights(np.log(target), np.log(behavior))
    np.testing.assert_allclose(weights, [[2, 2 * 0.5, 2 * 0.5 * 3]])
    np.testing.assert_allclose(slate_weights(np.log(target), np.log(behavior)), [[3]])


def test_a_choice_the_target_never_makes_ends_the_prefix() -> None:
    weights = prefix_weights([[0.0, -np.inf, 0.0]], np.log([[0.5, 0.5, 0.5]]))
    np.testing.assert_array_equal(weights, [[2, 0, 0]])


@pytest.mark.parametrize("seed", range(3))
def test_a_policy_against_itself_has_weight_one(seed: int) -> None:
    log_prob = np.log(np.random.default_rng(seed).uniform(0.01, 1, size=(9, 4)))
    np.testing.assert_array_equal(prefix_weights(log_prob, log_prob), np.ones((9, 4)))
    np.testing.assert_array_equal(slate_weights(log_prob, log_prob), np.ones((9, 1)))


def test_effective_sample_size_by_hand() -> None:
    sizes = effective_sample_size([[1.0, 3.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(sizes, [3, (3 + 1) ** 2 / (9 + 1), 0])


def test_effective_sample_size_is_free_of_scale_even_where_squares_overflow() -> None:
    weights = np.random.default_rng(1).random((30, 2))
    np.testing.assert_allclose(
        effective_sample_size(weights * 1e200), effective_sample_size(weights)
    )


HALF = [[0.5, 0.5]]
LOG_HALF = np.log(HALF)
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
    with pytest.raises(ValueError, match=message):
        stochastic_placement_weights(PAGE, [[HALF[0], HALF[0]]], propensity)


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
    ("logged", "row", "message"),
    [
        ([[0, 2]], [0.5, 0.5], r"logged\[0, 1\] is 2, not below 2"),
        ([[0, -1]], [0.5, 0.5], r"row sum\[0, 1\] is 1.0, at a slot that was logged empty"),
        ([[0, 1]], [0.9, 0.9], r"row sum\[0, 0\] is 1.8, above 1"),
        ([[0, 1]], [-0.1, 0.9], r"target_placement\[0, 0, 0\] is -0.1, negative"),
    ],
)
def test_unusable_placements_are_named(logged: list[Any], row: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        stochastic_placement_weights(logged, [[row, row]], HALF)


@pytest.mark.parametrize(
    ("prediction", "message"),
    [
        ([[[0.5, np.nan]]], r"prediction\[0, 0, 1\] is nan, not a finite number"),
        ([[[0.5]]], r"prediction: shape \[1, 1, 1\] is not that of target_placement"),
    ],
)
def test_unusable_predictions_are_named(prediction: list[Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        expected_prediction([HALF], prediction)


@pytest.mark.parametrize(
    ("target", "behavior", "message"),
    [
        (LOG_HALF, [[0.0, -np.inf]], r"log_propensity\[0, 1\] is -inf, not a finite number"),
        ([[0.0, np.nan]], LOG_HALF, r"target_log_prob\[0, 1\] is nan, not a log-probability"),
        ([[0.0, 0.3]], LOG_HALF, r"target_log_prob\[0, 1\] is 0.3, not a log-probability"),
        (LOG_HALF, [[0.2, 0.0]], r"log_propensity\[0, 0\] is 0.2, not a log-probability"),
        ([[0.0, 0.0]], [[-200.0, -200.0]], r"log weight\[0, 1\] is 400.0, above 300.0"),
        ([[0.0]], LOG_HALF, r"log_propensity: shape \[1, 2\] is not that of target_log_prob"),
    ],
)
def test_unusable_log_probabilities_are_named(target: Any, behavior: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        prefix_weights(target, behavior)
    with pytest.raises(ValueError, match=message):
        slate_weights(target, behavior)


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
