"""Estimators of slates, on worlds of 24 slates where an expectation is a sum, and against obp."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from gerank.metrics import ips, mean_interval, prefix_weights
from gerank.metrics.intervals import ratio_interval, ratios_interval
from gerank.metrics.off_policy import (
    ClickDependence,
    cascade_doubly_robust,
    choice_weights,
    clipped_ips,
    doubly_robust,
    slot_normalised,
)
from tests.metrics.test_counterfactual import SLATES, any_policy

PEOPLE = np.arange(24)


def by_prefix(rng: np.random.Generator) -> np.ndarray:
    """[24, 3] numbers that depend on the choices up to each slot alone."""
    found: dict[tuple[int, ...], float] = {}
    return np.array(
        [[found.setdefault(tuple(s[: n + 1]), rng.random()) for n in range(3)] for s in SLATES]
    )


@pytest.mark.parametrize(
    ("dependence", "is_right"),
    [
        (ClickDependence.SLATE, True),
        (ClickDependence.ABOVE, True),
        (ClickDependence.SLOT, False),
    ],
)
def test_weights_are_right_where_clicks_depend_on_what_they_allow(
    dependence: ClickDependence, is_right: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    behavior, target, clicks = any_policy(rng), any_policy(rng), by_prefix(rng)
    truth = target.slate_probability @ clicks.sum(1)
    weights = choice_weights(behavior.log_prob, target.log_prob, dependence)
    value = behavior.slate_probability @ ips(clicks, weights)
    assert bool(abs(value - truth) < 1e-9) is is_right


def test_weights_of_whole_slates_are_right_even_where_clicks_depend_on_what_stands_below(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    behavior, target, clicks = any_policy(rng), any_policy(rng), rng.random((24, 3))
    truth = target.slate_probability @ clicks.sum(1)
    of_slates, of_prefixes = (
        choice_weights(behavior.log_prob, target.log_prob, dependence)
        for dependence in (ClickDependence.SLATE, ClickDependence.ABOVE)
    )
    assert behavior.slate_probability @ ips(clicks, of_slates) == pytest.approx(truth)
    assert abs(behavior.slate_probability @ ips(clicks, of_prefixes) - truth) > 1e-6


def test_cascade_doubly_robust_is_unbiased_whatever_the_click_model(seed: int) -> None:
    rng = np.random.default_rng(seed)
    behavior, target, clicks = any_policy(rng), any_policy(rng), by_prefix(rng)
    truth = target.slate_probability @ clicks.sum(1)
    weights = choice_weights(behavior.log_prob, target.log_prob, ClickDependence.ABOVE)
    wrong = by_prefix(rng)
    values = cascade_doubly_robust(clicks, weights, wrong, expected_of(wrong, target.attractions))
    assert behavior.slate_probability @ values == pytest.approx(truth)


def test_cascade_doubly_robust_with_the_true_model_has_less_variance_than_ips(seed: int) -> None:
    rng = np.random.default_rng(seed)
    behavior, target, clicks = any_policy(rng), any_policy(rng), by_prefix(rng)
    weights = choice_weights(behavior.log_prob, target.log_prob, ClickDependence.ABOVE)
    to_come = clicks[:, ::-1].cumsum(1)[:, ::-1]  # not yet the expectation over what follows
    true = np.stack([mean_to_come(to_come, n, target.slate_probability) for n in range(3)], 1)
    values = cascade_doubly_robust(clicks, weights, true, expected_of(true, target.attractions))

    def variance(estimates: np.ndarray) -> float:
        mean = behavior.slate_probability @ estimates
        return float(behavior.slate_probability @ (estimates - mean) ** 2)

    assert variance(values) < variance(ips(clicks, weights))


def test_for_a_target_that_does_not_draw_both_doubly_robust_ones_are_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    behavior, clicks = any_policy(rng), rng.random((24, 3))
    target = np.tile(rng.permutation(4)[:3], (24, 1))
    weights = prefix_weights(SLATES, target, behavior.log_prob)
    per_slot = np.tile(rng.random(3), (24, 1))
    to_come = per_slot[:, ::-1].cumsum(1)[:, ::-1]
    np.testing.assert_allclose(
        cascade_doubly_robust(clicks, weights, to_come, to_come),
        doubly_robust(clicks, weights, per_slot, per_slot),
    )


def test_clipping_by_hand() -> None:
    found = clipped_ips([[1.0, 1.0], [1.0, 0.0]], [[4.0, 1.0], [0.0, 9.0]], 2.0, ["a", "b"], seed=0)
    assert found.value.estimate == pytest.approx((2 + 1 + 0 + 0) / 2)
    assert found.bias.estimate == pytest.approx(-(4 - 2) / 2)
    assert found.clipped_share == pytest.approx(2 / 3)


def test_without_large_weights_clipping_changes_nothing(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clicks, weights = rng.random((24, 3)), rng.random((24, 3))
    found = clipped_ips(clicks, weights, 1.0, PEOPLE, seed=1)
    assert found.value == mean_interval(ips(clicks, weights), PEOPLE, seed=1)
    assert found.bias.low == found.bias.high == found.clipped_share == 0


def test_slot_normalised_by_hand() -> None:
    tops, bottoms = slot_normalised([[1.0, 0.0], [1.0, 1.0]], [[3.0, 0.0], [1.0, 2.0]])
    people = np.repeat(np.arange(20), 2)  # both pages are of one person: no resample lacks weight
    found = ratios_interval(np.tile(tops, (20, 1)), np.tile(bottoms, (20, 1)), people, seed=0)
    assert found.estimate == pytest.approx((3 + 1) / 4 + (0 + 2) / 2)


def test_one_ratio_is_the_sum_of_ratios_of_one_slot(seed: int) -> None:
    rng = np.random.default_rng(seed)
    tops, bottoms = rng.random(30), rng.random(30)
    people = rng.integers(9, size=30)
    one = ratio_interval(tops, bottoms, people, seed=2)
    assert ratios_interval(tops[:, None], bottoms[:, None], people, seed=2) == one


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: choice_weights([[0.1]], [[-1.0]], ClickDependence.SLOT),
            r"behavior_log_prob\[0, 0\] is 0.1, no logarithm of a probability",
        ),
        (
            lambda: choice_weights([[-np.inf]], [[-1.0]], ClickDependence.SLOT),
            r"behavior_log_prob\[0, 0\] is -inf, not a finite number",
        ),
        (
            lambda: choice_weights([[-1.0]], [[np.nan]], ClickDependence.SLOT),
            r"target_log_prob\[0, 0\] is nan, no logarithm",
        ),
        (
            lambda: clipped_ips([[1.0], [1.0]], [[1.0], [1.0]], 0.0, [0, 1], seed=0),
            "most is 0.0, not > 0",
        ),
        (
            lambda: cascade_doubly_robust([[1.0]], [[1.0]], [[1.0, 1.0]], [[1.0]]),
            r"predicted_logged: shape \[1, 2\] is not that of clicks \[1, 1\]",
        ),
    ],
)
def test_unusable_arguments_are_named(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def expected_of(values: np.ndarray, attractions: np.ndarray) -> np.ndarray:
    """[24, 3] mean over the next choice of a Plackett-Luce target, given the choices above."""
    expected = np.zeros(SLATES.shape)
    for row, slate in enumerate(SLATES):
        for slot in range(3):
            above = tuple(slate[:slot])
            free = [m for m in range(4) if m not in above]
            chances = attractions[free] / attractions[free].sum()
            rows = [
                next(i for i, s in enumerate(SLATES) if tuple(s[: slot + 1]) == (*above, m))
                for m in free
            ]
            expected[row, slot] = chances @ values[rows, slot]
    return expected


def mean_to_come(to_come: np.ndarray, slot: int, probability: np.ndarray) -> np.ndarray:
    """[24] of what is to come from a slot on, over slates that agree up to the slot."""
    agree = (SLATES[:, None, : slot + 1] == SLATES[None, :, : slot + 1]).all(2)
    means: np.ndarray = (agree * probability) @ to_come[:, slot] / (agree @ probability)
    return means
