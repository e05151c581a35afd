"""How simulated logs are filled: sorts, mixtures and their propensities."""

from __future__ import annotations

import math
from collections import Counter
from itertools import permutations

import numpy as np
import pytest

from gerank.data.simulator import Logging, SimulatorConfig, simulate
from gerank.data.simulator.logging_modes import mixed_log_propensity, spaced_sort
from tests.data.simulated_logs import shown, table


def plain_spaced_sort(
    scores: list[float], seller: list[int], slots: int, spacing: int
) -> list[int]:
    """The best that spacing leaves, slot by slot."""
    slate: list[int] = []
    for slot in range(slots):
        free = [m for m in range(len(scores)) if m not in slate]
        recent = {seller[m] for m in slate[max(0, slot - spacing + 1) :]}
        allowed = [m for m in free if seller[m] not in recent] or free
        slate.append(max(allowed, key=lambda m: (scores[m], -m)))
    return slate


def test_a_deterministic_log_is_the_spaced_sort(seed: int) -> None:
    log, _ = simulate(SimulatorConfig(100, 12, 10, seed, sellers=5, logging=Logging.DETERMINISTIC))
    scores, seller = table(log, "ctr_score").tolist(), table(log, "seller").tolist()
    for page in range(100):
        assert shown(log)[page].tolist() == plain_spaced_sort(scores[page], seller[page], 10, 3)
    assert (log.log_propensity == 0).all()


def test_equal_scores_keep_the_order_of_the_candidates() -> None:
    scores = np.full((1, 5), 0.5, dtype=np.float32)
    seller = np.array([[0, 0, 1, 2, 2]])
    assert spaced_sort(scores, seller, 5, 1).tolist() == [[0, 1, 2, 3, 4]]
    assert spaced_sort(scores, seller, 5, 2).tolist() == [[0, 2, 1, 3, 4]]


@pytest.mark.parametrize("explore", [0.0, 0.2, 1.0])
@pytest.mark.parametrize(("candidates", "slots"), [(4, 3), (4, 4), (3, 1)])
def test_propensities_of_a_mixed_page_are_a_distribution(
    explore: float, candidates: int, slots: int
) -> None:
    every = np.array(list(permutations(range(candidates), slots)))
    sort = np.broadcast_to(np.arange(slots)[::-1], every.shape)
    choice = np.exp(mixed_log_propensity(every, sort, candidates, explore).astype(np.float64))
    assert choice.prod(axis=1).sum() == pytest.approx(1, abs=1e-5)
    for length in range(slots):  # after every prefix that can happen, choices sum to one
        sums: dict[tuple[int, ...], dict[int, float]] = {}
        for slate, chances in zip(every.tolist(), choice, strict=True):
            if chances[:length].all():
                sums.setdefault(tuple(slate[:length]), {})[slate[length]] = chances[length]
        for chances in sums.values():
            assert sum(chances.values()) == pytest.approx(1, abs=1e-5)
    page = (1 - explore) * (every == sort).all(axis=1) + explore / math.perm(candidates, slots)
    np.testing.assert_allclose(choice.prod(axis=1), page, rtol=1e-4, atol=1e-7)


def test_a_mixed_log_explores_its_share_of_pages_as_its_propensities_say(seed: int) -> None:
    pages, explore = 20_000, 0.3
    log, _ = simulate(SimulatorConfig(pages, 4, 2, seed, logging=Logging.MIXED, explore=explore))
    sort = spaced_sort(table(log, "ctr_score"), table(log, "seller"), 2, 3)
    # By the place in the sort that each choice has; the two left unsorted count as one.
    place = (shown(log)[:, :, None] == sort[:, None, :]) @ np.array([1, 2])
    propensity = np.exp(log.log_propensity.reshape(pages, 2).sum(axis=1))
    expected = {(1, 2): (1 - explore) + explore / 12}
    counts = Counter(map(tuple, place.tolist()))
    ways = {(1, 2): 1, (2, 1): 1, (1, 0): 2, (2, 0): 2, (0, 1): 2, (0, 2): 2, (0, 0): 2}
    assert counts.keys() == ways.keys()
    for kind, count in ways.items():
        page = expected.get(kind, explore / 12)
        np.testing.assert_allclose(propensity[(place == kind).all(axis=1)], page, rtol=1e-4)
        p = page * count
        assert abs(counts[kind] - pages * p) < 5 * math.sqrt(pages * p * (1 - p))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"explore": 0.1}, "explore is 0.1, but logging is sampled: only mixed explores"),
        (
            {"explore": 0.1, "logging": Logging.DETERMINISTIC},
            "explore is 0.1, but logging is deterministic",
        ),
        ({"explore": 1.5, "logging": Logging.MIXED}, r"explore is 1.5, not in \[0, 1\]"),
        ({"explore": math.nan, "logging": Logging.MIXED}, "explore is nan"),
        ({"feed_pages": 0}, "feed_pages is 0, not >= 1"),
    ],
)
def test_logging_that_cannot_be_is_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimulatorConfig(**{"pages": 5, **settings})  # type: ignore[arg-type]
