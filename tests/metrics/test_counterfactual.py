"""Estimators against worlds small enough that every slate can be written down.

Four candidates, three slots, 24 slates; behavior and target draw them by Plackett-Luce. The
expectation of an estimator is then a sum of 24 terms, and unbiasedness an equality.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import permutations
from typing import Any

import numpy as np
import pytest

from gerank.metrics import (
    doubly_robust,
    ips,
    mean_interval,
    placement_weights,
    prefix_weights,
    ratio_interval,
    self_normalised,
)

SLATES = np.array(list(permutations(range(4), 3)))  # [24, 3]
SLOTS = np.arange(3)
SEEDS = range(4)


@dataclass(frozen=True)
class Policy:
    """Plackett-Luce over four candidates: attractions [4]."""

    attractions: np.ndarray

    @property
    def log_prob(self) -> np.ndarray:
        """[24, 3] of each choice of each slate, given those before it."""
        taken = np.stack([self.attractions[SLATES[:, :n]].sum(axis=1) for n in SLOTS], axis=1)
        return np.log(self.attractions[SLATES] / (self.attractions.sum() - taken))

    @property
    def slate_probability(self) -> np.ndarray:
        """[24]."""
        return np.exp(self.log_prob.sum(axis=1))

    @property
    def placement(self) -> np.ndarray:
        """[3, 4] Probability of candidate m at slot n."""
        return np.array(
            [[self.slate_probability[SLATES[:, n] == m].sum() for m in range(4)] for n in SLOTS]
        )


def any_policy(rng: np.random.Generator) -> Policy:
    return Policy(rng.uniform(0.3, 2, size=4))


def at_slates(per_slot: np.ndarray) -> np.ndarray:
    """[24, 3] The entries of [3, 4] that each slate picks."""
    return per_slot[SLOTS, SLATES]


@pytest.mark.parametrize("seed", SEEDS)
def test_placement_ips_is_unbiased_where_clicks_depend_on_item_and_slot(seed: int) -> None:
    rng = np.random.default_rng(seed)
    behavior, click_rate = any_policy(rng), rng.random((3, 4))
    target = rng.permutation(4)[:3]
    weights = placement_weights(SLATES, np.tile(target, (24, 1)), at_slates(behavior.placement))
    value = behavior.slate_probability @ ips(at_slates(click_rate), weights)
    assert value == pytest.approx(click_rate[SLOTS, target].sum(), abs=1e-12)
    mean_weight = behavior.slate_probability @ weights
    np.testing.assert_allclose(mean_weight, 1, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_prefix_weights_are_right_where_clicks_depend_on_what_stands_above(seed: int) -> None:
    rng = np.random.default_rng(seed)
    behavior, target = any_policy(rng), rng.permutation(4)[:3]
    by_prefix = {tuple(slate[: n + 1]): rng.random() for slate in SLATES for n in range(3)}
    clicks = np.array([[by_prefix[tuple(slate[: n + 1])] for n in range(3)] for slate in SLATES])
    truth = sum(by_prefix[tuple(target[: n + 1])] for n in range(3))
    weights = prefix_weights(SLATES, np.tile(target, (24, 1)), behavior.log_prob)
    model = np.tile(rng.random(3), (24, 1))
    for values in (ips(clicks, weights), doubly_robust(clicks, weights, model, model)):
        assert behavior.slate_probability @ values == pytest.approx(truth, abs=1e-12)
    np.testing.assert_allclose(behavior.slate_probability @ weights, 1, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_placement_ips_is_unbiased_for_a_target_that_draws_its_slates(seed: int) -> None:
    rng = np.random.default_rng(seed)
    behavior, target, click_rate = any_policy(rng), any_policy(rng), rng.random((3, 4))
    weights = at_slates(target.placement / behavior.placement)
    value = behavior.slate_probability @ ips(at_slates(click_rate), weights)
    assert value == pytest.approx((target.placement * click_rate).sum(), abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_ips_with_weights_of_slates_is_unbiased_whatever_clicks_depend_on(seed: int) -> None:
    rng = np.random.default_rng(seed)
    behavior, target, clicks = any_policy(rng), any_policy(rng), rng.random((24, 3))
    truth = target.slate_probability @ clicks.sum(axis=1)
    of_slates = (target.slate_probability / behavior.slate_probability)[:, None]
    assert behavior.slate_probability @ ips(clicks, of_slates) == pytest.approx(truth, abs=1e-12)
    by_placement = at_slates(target.placement / behavior.placement)
    assert abs(behavior.slate_probability @ ips(clicks, by_placement) - truth) > 1e-4


@pytest.mark.parametrize("seed", SEEDS)
def test_doubly_robust_is_unbiased_with_right_propensities_and_any_click_model(seed: int) -> None:
    rng = np.random.default_rng(seed)
    behavior, target = any_policy(rng), any_policy(rng)
    click_rate, wrong_model = rng.random((2, 3, 4))
    weights = at_slates(target.placement / behavior.placement)
    of_target = np.tile((target.placement * wrong_model).sum(axis=1), (24, 1))
    values = doubly_robust(at_slates(click_rate), weights, at_slates(wrong_model), of_target)
    truth = (target.placement * click_rate).sum()
    assert behavior.slate_probability @ values == pytest.approx(truth, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_doubly_robust_is_unbiased_with_the_right_click_model_and_any_propensities(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    behavior, target, click_rate = any_policy(rng), any_policy(rng), rng.random((3, 4))
    wrong_propensity = rng.uniform(0.05, 1, size=(24, 3))
    weights = at_slates(target.placement) / wrong_propensity
    of_target = np.tile((target.placement * click_rate).sum(axis=1), (24, 1))
    clicks = at_slates(click_rate)
    truth = (target.placement * click_rate).sum()
    values = doubly_robust(clicks, weights, clicks, of_target)
    assert behavior.slate_probability @ values == pytest.approx(truth, abs=1e-12)
    assert abs(behavior.slate_probability @ ips(clicks, weights) - truth) > 1e-3


def test_doubly_robust_by_hand() -> None:
    # q_target + w (y - q_logged), a match at slot 0 only.
    values = doubly_robust([[1.0, 1.0]], [[4.0, 0.0]], [[0.3, 0.9]], [[0.3, 0.2]])
    assert values[0] == pytest.approx(0.3 + 4 * (1 - 0.3) + 0.2, abs=1e-12)


def test_doubly_robust_with_a_model_of_zeros_is_ips() -> None:
    rng = np.random.default_rng(2)
    clicks, weights, nothing = rng.random((9, 3)), rng.random((9, 3)), np.zeros((9, 3))
    np.testing.assert_allclose(
        doubly_robust(clicks, weights, nothing, nothing), ips(clicks, weights)
    )


def test_ips_by_hand_with_weights_per_slot_and_per_slate() -> None:
    clicks = [[1.0, 0.0, 2.0], [0.0, 1.0, 1.0]]
    per_slot = [[4.0, 4.0, 0.0], [0.0, 2.0, 3.0]]
    np.testing.assert_array_equal(ips(clicks, per_slot), [4, 5])
    np.testing.assert_array_equal(ips(clicks, [[2.0], [0.5]]), [6, 1])


def test_self_normalised_terms_by_hand() -> None:
    clicks, weights = [[1.0, 0.0], [1.0, 1.0]], [[4.0, 2.0], [0.0, 1.0]]
    numerators, denominators = self_normalised(clicks, weights)
    np.testing.assert_array_equal(numerators, [4, 1])
    np.testing.assert_array_equal(denominators, [6 / 2, 1 / 2])
    _, by_slate = self_normalised(clicks, [[3.0], [0.5]])
    np.testing.assert_array_equal(by_slate, [3, 0.5])


@pytest.mark.parametrize("seed", SEEDS)
def test_the_self_normalised_estimate_is_blind_to_the_scale_of_the_weights(seed: int) -> None:
    rng = np.random.default_rng(seed)
    clicks, weights = rng.integers(0, 2, size=(40, 3)), rng.random((40, 3))
    people = np.arange(40)
    once = ratio_interval(*self_normalised(clicks, weights), people, seed=0).estimate
    scaled = ratio_interval(*self_normalised(clicks, 7 * weights), people, seed=0).estimate
    assert scaled == pytest.approx(once)
    shifted = ratio_interval(*self_normalised(clicks + 0.5, weights), people, seed=0).estimate
    assert shifted == pytest.approx(once + 3 * 0.5)


@pytest.mark.parametrize("seed", SEEDS)
def test_denominators_have_mean_one_also_for_targets_of_unequal_length(seed: int) -> None:
    rng = np.random.default_rng(seed)
    behavior = any_policy(rng)
    lengths = np.array([3, 2, 1, 3])
    weights, probability = [], []
    for length in lengths:  # Four kinds of page, equally frequent, every slate of each.
        target = np.where(length > SLOTS, rng.permutation(4)[:3], -1)
        weights.append(
            placement_weights(SLATES, np.tile(target, (24, 1)), at_slates(behavior.placement))
        )
        probability.append(behavior.slate_probability / 4)
    _, denominators = self_normalised(
        np.zeros((96, 3)), np.concatenate(weights), np.repeat(lengths, 24)
    )
    assert np.concatenate(probability) @ denominators == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_on_a_sampled_log_all_three_estimates_lie_near_the_truth(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pages = 20_000
    behavior, click_rate = any_policy(rng), rng.uniform(0.1, 0.6, size=(3, 4))
    logged = SLATES[rng.choice(24, size=pages, p=behavior.slate_probability)]
    clicks = (rng.random((pages, 3)) < click_rate[SLOTS, logged]).astype(float)
    target = rng.permutation(4)[:3]
    weights = placement_weights(
        logged, np.tile(target, (pages, 1)), behavior.placement[SLOTS, logged]
    )
    model = np.tile(click_rate[SLOTS, target] + 0.05, (pages, 1))

    people, truth = np.arange(pages), click_rate[SLOTS, target].sum()
    plain = mean_interval(ips(clicks, weights), people, seed=seed, resamples=200)
    ratio = ratio_interval(*self_normalised(clicks, weights), people, seed=seed, resamples=200)
    robust = mean_interval(
        doubly_robust(clicks, weights, model, model), people, seed=seed, resamples=200
    )
    for interval in (plain, ratio, robust):
        assert abs(interval.estimate - truth) < 4 * interval.standard_error
    assert robust.standard_error < 0.9 * plain.standard_error
    assert ratio.standard_error < 0.9 * plain.standard_error
    # Sanity of the sizes: the logged mean is far from the target's value in these errors.
    other = abs(clicks.sum(axis=1).mean() - truth)
    assert other > 4 * robust.standard_error


ONE, TWO = [[1.0, 0.0]], [[0.5, 2.0]]


def test_a_page_on_which_the_target_fills_no_slot_counts_as_one_without_weight() -> None:
    numerators, denominators = self_normalised([[1, 0], [1, 1]], [[2, 0], [0, 0]], [2, 0])
    assert numerators.tolist() == [2, 0] and denominators.tolist() == [2, 0]
    assert self_normalised([[1, 0]], [[0, 0]], [0])[1].tolist() == [0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: ips([[1.0, np.nan]], TWO), r"ips: clicks\[0, 1\] is nan"),
        (lambda: ips(ONE, [[0.5, np.inf]]), r"ips: weights\[0, 1\] is inf"),
        (lambda: ips(ONE, [[0.5, -1.0]]), r"ips: weights\[0, 1\] is -1.0, negative"),
        (lambda: ips(ONE, [[1.0, 1.0, 1.0]]), r"weights: shape \[1, 3\] is not that of clicks"),
        (lambda: ips([1.0], [[1.0]]), r"clicks: shape \[1\] has not the axes \[E, N\]"),
        (lambda: self_normalised(ONE, TWO, [3]), r"target_slots\[0\] is 3.0, outside 0..2"),
        (lambda: self_normalised(ONE, TWO, [1, 2]), r"target_slots: shape \[2\]"),
        (lambda: doubly_robust(ONE, TWO, [[0.5]], TWO), r"predicted_logged: shape \[1, 1\]"),
        (lambda: doubly_robust(ONE, TWO, ONE, [[0.1, np.nan]]), r"predicted_target\[0, 1\] is nan"),
    ],
)
def test_estimators_name_what_is_wrong(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()
