"""The search for the best slates: against all slates of small pages, and against its own rules."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.compare import optimum
from gerank.compare.optimum import best_known, local_search, neighbours
from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, SimulatorTruth, best_slates, simulate
from tests.data.exposure_logs import with_random_above

CANDIDATES, SLOTS, PAGES = 6, 4, 60


def world(seed: int) -> tuple[ExposureLog, SimulatorTruth]:
    return simulate(SimulatorConfig(PAGES, CANDIDATES, SLOTS, seed, items=60, sellers=6))


def test_small_pages_are_tried_whole(seed: int) -> None:
    log, truth = world(seed)
    rows = np.arange(10, 40)
    logged = log.batch(rows).slates
    values, enumerated = best_known(truth.expected_clicks, log, rows, logged.unsqueeze(0))
    assert enumerated
    _, wanted = best_slates(truth, torch.from_numpy(rows), SLOTS)
    torch.testing.assert_close(values, wanted.double())


def test_the_search_ends_at_or_near_the_best_and_never_below_its_start(seed: int) -> None:
    log, truth = world(seed)
    rows = np.arange(PAGES)
    start = log.batch(rows).slates
    found = local_search(truth.expected_clicks, log, rows, start)
    before = truth.expected_clicks(rows, start).double()
    _, best = best_slates(truth, torch.from_numpy(rows), SLOTS)
    assert (found >= before - 1e-6).all() and (found <= best.double() + 1e-5).all()
    assert (best - found).mean() < 0.02 * (best - before).mean()


def test_a_page_with_slots_above_is_searched_and_its_items_do_not_come_in(seed: int) -> None:
    log, truth = world(seed)
    log = with_random_above(log, seed)
    rows = np.arange(PAGES)
    keys = log.slots_above(rows).above_dedup_keys
    start = log.batch(rows).slates
    asked: list[Tensor] = []

    def value(some: np.ndarray, slates: Tensor) -> Tensor:
        asked.append((slates[..., None] == keys[some][:, None, None]) & (slates >= 0)[..., None])
        return truth.expected_clicks(some, slates)

    _, enumerated = best_known(value, log, rows, start.unsqueeze(0))
    assert not enumerated
    assert (keys >= 0).any() and len(asked) > 2
    assert not any(each.any() for each in asked)


def test_the_best_of_all_starts_is_where_the_search_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    log, truth = world(3)
    rows = np.arange(PAGES)
    best, _ = best_slates(truth, torch.from_numpy(rows), SLOTS)
    starts = torch.stack([log.batch(rows).slates, best])
    monkeypatch.setattr(optimum, "MOST_ENUMERATED", 0)
    monkeypatch.setattr(optimum, "_MOST_ROUNDS", 0)
    values, enumerated = best_known(truth.expected_clicks, log, rows, starts)
    assert not enumerated
    torch.testing.assert_close(values, truth.expected_clicks(rows, best).double())


def test_neighbours_are_one_change_away_and_as_long() -> None:
    slates = torch.tensor([[2, 0, 1, -1]])
    free = torch.tensor([[True, True, True, True, False]])
    around, is_slate = neighbours(slates, free)
    found = {tuple(slate) for slate in around[is_slate].tolist()}
    swaps = {(0, 2, 1, -1), (1, 0, 2, -1), (2, 1, 0, -1)}
    moves = {(0, 1, 2, -1), (1, 2, 0, -1)}
    replaced = {(3, 0, 1, -1), (2, 3, 1, -1), (2, 0, 3, -1)}
    assert found == swaps | moves | replaced
