"""Whether a log can tell of a policy: seen in logs that can, that cannot, and that say wrong."""

from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics import placement_weights
from gerank.metrics.off_policy import mean_weight

PAGES, CANDIDATES, SLOTS = 2000, 6, 3


def orders(rng: np.random.Generator) -> np.ndarray:
    """[PAGES, SLOTS] random slates."""
    return rng.permuted(np.tile(np.arange(CANDIDATES), (PAGES, 1)), axis=1)[:, :SLOTS]


def weights_of(logged: np.ndarray, target: np.ndarray, propensity: float) -> np.ndarray:
    return placement_weights(logged, target, np.full(logged.shape, propensity)).mean(axis=1)


def test_random_pages_can_tell_of_every_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = weights_of(orders(rng), orders(rng), 1 / CANDIDATES)
    found = mean_weight(weights, rng.integers(300, size=PAGES), seed=seed)
    assert found.fits
    assert found.value == pytest.approx(weights.mean())


def test_a_log_without_exploration_cannot_tell_of_another_order(seed: int) -> None:
    """Though the pages on which both agree give an estimate with a narrow interval."""
    rng = np.random.default_rng(seed)
    logged, people = orders(rng), rng.integers(300, size=PAGES)
    target = np.where(rng.random((PAGES, 1)) < 0.8, orders(rng), logged)
    assert not mean_weight(weights_of(logged, target, 1.0), people, seed=seed).fits
    assert mean_weight(weights_of(logged, logged, 1.0), people, seed=seed).fits


def test_a_log_with_propensities_that_are_too_small_cannot_tell(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = weights_of(orders(rng), orders(rng), 0.5 / CANDIDATES)
    found = mean_weight(weights, rng.integers(300, size=PAGES), seed=seed)
    assert found.value > 1.5 and not found.fits


def test_a_few_slates_that_the_log_never_shows_are_no_reason(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = np.where(np.arange(PAGES) % 100 == 0, 0.0, 1.0)
    assert mean_weight(weights, rng.integers(300, size=PAGES), seed=seed).fits
