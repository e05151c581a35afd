"""Off-policy estimates equal those of the Open Bandit Pipeline, where both have the estimator.

obp 0.5 asks for older versions than gerank does; `pip install --no-deps obp seaborn pingouin
pyieoe` into a folder of its own is enough to run these.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

from gerank.metrics.intervals import ratio_interval, ratios_interval
from gerank.metrics.off_policy import (
    ClickDependence,
    cascade_doubly_robust,
    choice_weights,
    clipped_ips,
    doubly_robust,
    ips,
    self_normalised,
    slot_normalised,
)

obp = pytest.importorskip("obp.ope")

PAGES, SLOTS, ITEMS = 60, 3, 5
PEOPLE = np.arange(PAGES)


@dataclass(frozen=True)
class Log:
    """Pages of five items, drawn by a policy that looks at the slot alone, repeats allowed.

    Attributes:
        behavior, target: [E, N, M] probabilities of each item at each slot.
        slates: [E, N] int64.
        clicks: [E, N].
    """

    behavior: np.ndarray
    target: np.ndarray
    slates: np.ndarray
    clicks: np.ndarray

    def log_prob(self, policy: np.ndarray) -> np.ndarray:
        """[E, N] of the logged choices."""
        return np.log(np.take_along_axis(policy, self.slates[..., None], 2)[..., 0])

    def weights(self, dependence: ClickDependence) -> np.ndarray:
        return choice_weights(self.log_prob(self.behavior), self.log_prob(self.target), dependence)

    def cumulated(self, policy: np.ndarray) -> np.ndarray:
        """[E, N] probabilities of the logged choices up to each slot."""
        return np.exp(self.log_prob(policy).cumsum(1))


@pytest.fixture
def log(seed: int) -> Log:
    rng = np.random.default_rng(seed)
    behavior, target = rng.dirichlet(np.ones(ITEMS) * 3, size=(2, PAGES, SLOTS))
    drawn = (rng.random((PAGES, SLOTS, 1)) > behavior.cumsum(2)).sum(2).clip(max=ITEMS - 1)
    return Log(behavior, target, drawn, (rng.random((PAGES, SLOTS)) < 0.3).astype(np.float64))


def slate_inputs(log: Log) -> dict[str, Any]:
    """What obp's slate estimators take: one entry per page and slot."""
    return {
        "slate_id": np.repeat(np.arange(PAGES), SLOTS),
        "position": np.tile(np.arange(SLOTS), PAGES),
        "reward": log.clicks.ravel(),
        "action": log.slates.ravel(),
    }


def whole(log: Log, policy: np.ndarray) -> np.ndarray:
    """[E * N] the probability of the whole slate, at each of its slots."""
    return np.repeat(log.cumulated(policy)[:, -1], SLOTS)


def of_slate(log: Log) -> dict[str, Any]:
    scores = (whole(log, log.behavior), whole(log, log.target))
    return dict(zip(("pscore", "evaluation_policy_pscore"), scores, strict=True))


def of_above(log: Log) -> dict[str, Any]:
    return {
        "pscore_cascade": log.cumulated(log.behavior).ravel(),
        "evaluation_policy_pscore_cascade": log.cumulated(log.target).ravel(),
    }


def of_slot(log: Log) -> dict[str, Any]:
    return {
        "pscore_item_position": np.exp(log.log_prob(log.behavior)).ravel(),
        "evaluation_policy_pscore_item_position": np.exp(log.log_prob(log.target)).ravel(),
    }


@pytest.mark.parametrize(
    ("theirs", "inputs", "dependence"),
    [
        ("SlateStandardIPS", of_slate, ClickDependence.SLATE),
        ("SlateRewardInteractionIPS", of_above, ClickDependence.ABOVE),
        ("SlateIndependentIPS", of_slot, ClickDependence.SLOT),
    ],
)
def test_ips_of_slates(theirs: str, inputs: Any, dependence: ClickDependence, log: Log) -> None:
    estimator = getattr(obp, theirs)(len_list=SLOTS)
    wanted = estimator.estimate_policy_value(**slate_inputs(log), **inputs(log))
    assert ips(log.clicks, log.weights(dependence)).mean() == pytest.approx(wanted)


def test_self_normalised_ips_of_whole_slates(log: Log) -> None:
    estimator = obp.SelfNormalizedSlateStandardIPS(len_list=SLOTS)
    wanted = estimator.estimate_policy_value(**slate_inputs(log), **of_slate(log))
    terms = self_normalised(log.clicks, log.weights(ClickDependence.SLATE))
    assert ratio_interval(*terms, PEOPLE, seed=0).estimate == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("theirs", "inputs", "dependence"),
    [
        ("SelfNormalizedSlateRewardInteractionIPS", of_above, ClickDependence.ABOVE),
        ("SelfNormalizedSlateIndependentIPS", of_slot, ClickDependence.SLOT),
    ],
)
def test_ips_that_is_self_normalised_by_slot(
    theirs: str, inputs: Any, dependence: ClickDependence, log: Log
) -> None:
    estimator = getattr(obp, theirs)(len_list=SLOTS)
    wanted = estimator.estimate_policy_value(**slate_inputs(log), **inputs(log))
    terms = slot_normalised(log.clicks, log.weights(dependence))
    assert ratios_interval(*terms, PEOPLE, seed=0).estimate == pytest.approx(wanted)


def test_cascade_doubly_robust(log: Log, seed: int) -> None:
    expected = np.random.default_rng([seed, 1]).random((PAGES, SLOTS, ITEMS))
    estimator = obp.SlateCascadeDoublyRobust(len_list=SLOTS, n_unique_action=ITEMS)
    wanted = estimator.estimate_policy_value(
        **slate_inputs(log),
        **of_above(log),
        q_hat=expected.ravel(),
        evaluation_policy_action_dist=log.target.ravel(),
    )
    values = cascade_doubly_robust(
        log.clicks,
        log.weights(ClickDependence.ABOVE),
        np.take_along_axis(expected, log.slates[..., None], 2)[..., 0],
        (log.target * expected).sum(2),
    )
    assert values.mean() == pytest.approx(wanted)


def first_slot(log: Log) -> dict[str, Any]:
    """The first slot as a page of its own, as obp's estimators of single actions take it."""
    return {
        "reward": log.clicks[:, 0],
        "action": log.slates[:, 0],
        "pscore": np.exp(log.log_prob(log.behavior))[:, 0],
        "action_dist": log.target[:, 0, :, None],
    }


@pytest.mark.parametrize("most", [np.inf, 1.2])
def test_ips_of_one_slot_clipped_or_not(most: float, log: Log) -> None:
    estimator = obp.InverseProbabilityWeighting(lambda_=most)
    wanted = estimator.estimate_policy_value(**first_slot(log))
    weights = log.weights(ClickDependence.SLOT)[:, :1]
    found = clipped_ips(log.clicks[:, :1], weights, most, PEOPLE, seed=0)
    assert found.value.estimate == pytest.approx(wanted)


def test_doubly_robust_of_one_slot(log: Log, seed: int) -> None:
    expected = np.random.default_rng([seed, 1]).random((PAGES, ITEMS))
    wanted = obp.DoublyRobust().estimate_policy_value(
        **first_slot(log), estimated_rewards_by_reg_model=expected[..., None]
    )
    values = doubly_robust(
        log.clicks[:, :1],
        log.weights(ClickDependence.SLOT)[:, :1],
        np.take_along_axis(expected, log.slates[:, :1], 1),
        (log.target[:, 0] * expected).sum(1, keepdims=True),
    )
    assert values.mean() == pytest.approx(wanted)
