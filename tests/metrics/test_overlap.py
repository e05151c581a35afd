"""Whether a log can tell of a policy: seen in logs that can, that cannot, and that say wrong."""

from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics import placement_weights
from gerank.metrics.off_policy import CanTell, Overlap, overlap

PAGES, CANDIDATES, SLOTS = 2000, 6, 3


def orders(rng: np.random.Generator, pages: int = PAGES) -> np.ndarray:
    """[pages, SLOTS] random slates."""
    return rng.permuted(np.tile(np.arange(CANDIDATES), (pages, 1)), axis=1)[:, :SLOTS]


def of(logged: np.ndarray, target: np.ndarray, propensity: float, seed: int) -> Overlap:
    weights = placement_weights(logged, target, np.full(logged.shape, propensity))
    people = np.random.default_rng(seed).integers(max(2, len(logged) // 6), size=len(logged))
    return overlap(weights, (target >= 0).sum(axis=1), people, seed=seed)


def test_random_pages_can_tell_of_every_order(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = of(orders(rng), orders(rng), 1 / CANDIDATES, seed)
    assert found.can_tell is CanTell.YES
    assert found.mean_weight == pytest.approx(1, abs=0.2)
    assert 100 < found.effective_pages < PAGES


def test_slots_that_the_target_leaves_empty_are_no_reason(seed: int) -> None:
    rng = np.random.default_rng(seed)
    target = np.where(np.arange(SLOTS) < 1, orders(rng), -1)
    assert of(orders(rng), target, 1 / CANDIDATES, seed).can_tell is CanTell.YES


def test_few_pages_are_told_for_what_they_are(seed: int) -> None:
    """They do not contradict a mean of 1, for their interval is wide."""
    rng = np.random.default_rng(seed)
    found = of(orders(rng, 40), orders(rng, 40), 1 / CANDIDATES, seed)
    assert found.effective_pages < 30 and found.can_tell is CanTell.TOO_FEW


@pytest.mark.parametrize("pages", [40, PAGES])
@pytest.mark.parametrize("alike", [0.0, 0.8, 0.97])
def test_a_log_without_exploration_tells_of_its_own_slates_alone(
    pages: int, alike: float, seed: int
) -> None:
    """However few pages differ: those are what a difference comes from."""
    rng = np.random.default_rng(seed)
    logged = orders(rng, pages)
    other = rng.random((pages, 1)) >= alike
    other[0] = True
    target = np.where(other, np.roll(logged, 1, axis=1), logged)
    assert of(logged, target, 1.0, seed).can_tell is CanTell.OTHER_SLATES
    assert of(logged, logged, 1.0, seed) == Overlap(1.0, pages, CanTell.YES)


def test_a_log_that_explores_a_part_of_the_candidates_cannot_tell_of_the_others(
    seed: int,
) -> None:
    rng = np.random.default_rng(seed)
    logged = rng.permuted(np.tile(np.arange(3), (PAGES, 1)), axis=1)
    found = of(logged, orders(rng), 1 / 3, seed)
    assert found.can_tell is CanTell.OTHER_SLATES and found.mean_weight < 0.8


def test_propensities_that_are_too_small_show(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = of(orders(rng), orders(rng), 0.5 / CANDIDATES, seed)
    assert found.mean_weight > 1.5 and found.can_tell is CanTell.ABOVE_ONE


def test_so_do_slates_that_look_at_the_logged_order(seed: int) -> None:
    logged = orders(np.random.default_rng(seed))
    assert of(logged, logged, 1 / CANDIDATES, seed).can_tell is CanTell.ABOVE_ONE


def test_who_fills_no_slot_has_nothing_to_be_told_of() -> None:
    logged = orders(np.random.default_rng(0))
    found = of(logged, np.full_like(logged, -1), 0.5, 0)
    assert found == Overlap(0.0, 0.0, CanTell.OTHER_SLATES)


def test_pages_of_one_person_stand_for_people(seed: int) -> None:
    rng = np.random.default_rng(seed)
    weights = placement_weights(orders(rng), orders(rng), np.full((PAGES, SLOTS), 1 / CANDIDATES))
    found = overlap(weights, np.full(PAGES, SLOTS), ["same"] * PAGES, seed=seed)
    assert found.can_tell is CanTell.YES
