"""The simulator's truth: the click model as stated, and the best slates under it."""

from __future__ import annotations

import math
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from gerank.data.simulator import (
    FatigueUser,
    SimulatorConfig,
    SimulatorTruth,
    TruthError,
    best_slates,
    enumerate_slates,
    simulate,
)
from tests.data.plain_users import plain_click_probability
from tests.data.simulated_logs import all_rows, random_slates, shown, table


def test_many_slates_of_a_page_are_judged_as_one_by_one(seed: int) -> None:
    _, truth = simulate(SimulatorConfig(30, seed=seed))
    slates = random_slates(seed, (30 * 4, 10), 20).view(30, 4, 10)
    rows = np.random.default_rng(seed).permutation(30)
    together = truth.expected_clicks(rows, slates)
    assert together.shape == (30, 4)
    for place in range(4):
        alone = truth.click_probability(torch.from_numpy(rows), slates[:, place]).sum(-1)
        torch.testing.assert_close(together[:, place], alone)


def test_long_enumerations_are_the_same_in_pieces(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, truth = simulate(SimulatorConfig(30, seed=seed))
    slates = random_slates(seed, (30, 10), 20)
    whole = truth.expected_clicks(torch.arange(30), slates)
    monkeypatch.setattr("gerank.data.simulator.truth._SLOTS_AT_ONCE", 70)
    torch.testing.assert_close(truth.expected_clicks(torch.arange(30), slates), whole)
    assert truth.expected_clicks(torch.arange(0), slates[:0]).shape == (0,)


def test_selected_truth_is_that_of_the_selected_pages(seed: int) -> None:
    log, truth = simulate(SimulatorConfig(30, seed=seed))
    rows = np.array([7, 3, 3, 29])
    slates = random_slates(seed, (4, 10), 20)
    part = truth.select(rows)
    np.testing.assert_array_equal(part.page_ids, log.select(rows).page_ids)
    expected = truth.expected_clicks(rows, slates)
    torch.testing.assert_close(part.expected_clicks(torch.arange(4), slates), expected)


def test_clicks_happen_as_often_as_the_truth_says(seed: int) -> None:
    log, truth = simulate(SimulatorConfig(20_000, candidates=12, slots=6, seed=seed))
    clicks = log.clicks.reshape(len(log), -1)
    probability = truth.click_probability(all_rows(log), torch.from_numpy(shown(log))).numpy()
    repeats = np.array([len(row) - len(set(row)) for row in np.take_along_axis(
        table(log, "seller"), shown(log), 1)])  # fmt: skip
    likely = np.digitize(probability, [0.03, 0.06, 0.1, 0.2, 0.4])
    groups = [np.full_like(clicks, value, dtype=bool) for value in (True,)]
    groups += [np.arange(6) == slot + np.zeros_like(likely) for slot in range(6)]
    groups += [likely == step for step in range(6)]
    groups += [(repeats > 0)[:, None] & np.ones_like(likely, dtype=bool)]
    for group in groups:
        surplus = (clicks - probability)[group].sum()
        spread = math.sqrt((probability * (1 - probability))[group].sum())
        assert group.sum() > 200
        assert abs(surplus) < 5 * spread


@pytest.mark.parametrize(
    ("rows", "slates", "error", "message"),
    [
        ([0, 1], [[0, 20], [1, 2]], IndexError, r"candidate 20 is outside \[-1, 19\]"),
        ([0, 1], [[0, -2], [1, 2]], IndexError, r"candidate -2 is outside \[-1, 19\]"),
        ([0, 5], [[0, 1], [1, 2]], IndexError, r"row 5 is outside \[0, 4\]"),
        ([-1, 0], [[0, 1], [1, 2]], IndexError, r"row -1 is outside \[0, 4\]"),
        ([0], [[0, 1], [1, 2]], ValueError, r"slates have shape \(2, 2\)"),
        ([0, 1], [0, 1], ValueError, r"slates have shape \(2,\)"),
    ],
)
def test_slates_that_cannot_be_judged_are_refused(
    rows: list[int], slates: list[Any], error: type[Exception], message: str
) -> None:
    _, truth = simulate(SimulatorConfig(5))
    with pytest.raises(error, match=message):
        truth.expected_clicks(torch.tensor(rows), torch.tensor(slates))


def test_a_truth_file_that_cannot_be_used_is_named(seed: int, tmp_path: Path) -> None:
    path = tmp_path / "truth.npz"
    with pytest.raises(TruthError, match=r"truth\.npz: no such file"):
        SimulatorTruth.read(tmp_path)
    _, truth = simulate(SimulatorConfig(20, seed=seed))
    truth.write(tmp_path)
    content = path.read_bytes()
    rng = np.random.default_rng(seed)
    contents = [b"", b"no archive", *(content[:n] for n in rng.integers(len(content), size=20))]
    for damaged in contents:
        path.write_bytes(damaged)
        with pytest.raises(TruthError, match=r"truth\.npz: not a readable simulator truth"):
            SimulatorTruth.read(tmp_path)
    np.savez(path, document=np.array('{"format_version": 9}'))
    with pytest.raises(TruthError, match="format version 9, this gerank reads 2"):
        SimulatorTruth.read(tmp_path)


# What makes the pages worth re-ranking.


@pytest.mark.parametrize(("candidates", "slots"), [(1, 1), (4, 1), (5, 3), (4, 4), (8, 4)])
def test_enumeration_is_every_ordered_choice_once(candidates: int, slots: int) -> None:
    expected = list(permutations(range(candidates), slots))
    assert [tuple(slate) for slate in enumerate_slates(candidates, slots).tolist()] == expected


def test_enumerations_that_are_impossible_or_too_long_are_refused() -> None:
    with pytest.raises(ValueError, match=r"slots is 5, not in \[1, 4\]"):
        enumerate_slates(4, 5)
    with pytest.raises(ValueError, match="670442572800 slates of 10 out of 20 candidates"):
        enumerate_slates(20, 10)


def test_the_best_slate_beats_every_other(seed: int) -> None:
    _, truth = simulate(SimulatorConfig(8, candidates=5, slots=3, seed=seed))
    slates, values = best_slates(truth, torch.arange(8), 3)
    for page in range(8):
        rivals = [
            sum(plain_click_probability(truth, page, list(slate)))
            for slate in permutations(range(5), 3)
        ]
        assert values[page].item() == pytest.approx(max(rivals), rel=1e-5)
        own = sum(plain_click_probability(truth, page, slates[page].tolist()))
        assert own == pytest.approx(max(rivals), rel=1e-5)


def test_sorting_by_score_is_far_from_the_best_slate(seed: int) -> None:
    log, truth = simulate(SimulatorConfig(400, candidates=8, slots=4, seed=seed))
    rows = all_rows(log)
    logged = truth.expected_clicks(rows, torch.from_numpy(shown(log))).mean()
    gap = best_slates(truth, rows, 4)[1].mean() - logged
    assert 0.05 < gap / logged < 0.12
    for scores in (torch.from_numpy(table(log, "ctr_score")), truth.attraction):
        by_score = truth.expected_clicks(rows, scores.topk(4).indices).mean()
        assert by_score - logged < 0.5 * gap


def test_without_page_effects_the_most_attractive_items_are_best(seed: int) -> None:
    plain = FatigueUser(position=0, seller_fatigue=0, category_fatigue=0, contrast=0)
    _, truth = simulate(SimulatorConfig(50, candidates=6, slots=3, seed=seed, clicks=plain))
    rows = torch.arange(50)
    best = best_slates(truth, rows, 3)[1]
    by_attraction = truth.expected_clicks(rows, truth.attraction.topk(3).indices)
    torch.testing.assert_close(by_attraction, best)


def test_click_rates_are_those_of_a_feed(seed: int) -> None:
    log, _ = simulate(SimulatorConfig(4000, seed=seed))
    clicks = log.clicks.reshape(len(log), -1)
    assert 0.8 < clicks.sum(1).mean() < 2
    assert 0.45 < clicks.any(1).mean() < 0.7
    assert clicks[:, 0].mean() > 2 * clicks[:, -1].mean()
