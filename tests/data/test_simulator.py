"""The simulator: its log hides the truth, its propensities and probabilities are what happens."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import fields, replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import (
    ClickStrengths,
    LoggingPolicy,
    SimulatorConfig,
    SimulatorTruth,
    TruthError,
    best_slates,
    enumerate_slates,
    simulate,
)


def table(log: ExposureLog, name: str) -> NDArray[Any]:
    """[E, M] of a candidate feature."""
    return log.candidate[name].reshape(len(log), -1)


def shown(log: ExposureLog) -> NDArray[np.int64]:
    return log.slates.reshape(len(log), -1)


def all_rows(log: ExposureLog) -> Tensor:
    return torch.arange(len(log))


# The log.


def test_one_configuration_gives_the_same_bits(seed: int, tmp_path: Path) -> None:
    config = SimulatorConfig(60, seed=seed)
    for folder in ("a", "b"):
        log, truth = simulate(config)
        log.write(tmp_path / folder)
        truth.write(tmp_path / folder)
    for name in ("exposures.parquet", "truth.npz"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()
    other, _ = simulate(replace(config, seed=seed + 1))
    assert not np.array_equal(other.candidate["ctr_score"], log.candidate["ctr_score"])


def test_logs_of_one_world_show_the_same_items_to_other_people(seed: int) -> None:
    a, _ = simulate(SimulatorConfig(300, seed=seed))
    b, _ = simulate(SimulatorConfig(300, seed=seed + 1))
    foreign, _ = simulate(SimulatorConfig(300, seed=seed, world_seed=1))

    def looks(log: ExposureLog) -> dict[str, tuple[float, int]]:
        columns = log.candidate["style_0"].tolist(), log.candidate["seller"].tolist()
        return dict(zip(log.candidate_names.tolist(), zip(*columns, strict=True), strict=True))

    first, second, elsewhere = looks(a), looks(b), looks(foreign)
    both = first.keys() & second.keys()
    assert len(both) > 500
    assert all(first[name] == second[name] for name in both)
    assert all(first[name] != elsewhere[name] for name in first.keys() & elsewhere.keys())
    assert not set(a.person_ids) & set(b.person_ids)
    assert not set(a.page_ids) & set(b.page_ids)


def test_a_simulated_log_survives_writing_and_reading(seed: int, tmp_path: Path) -> None:
    log, truth = simulate(SimulatorConfig(50, seed=seed))
    log.write(tmp_path)
    truth.write(tmp_path)
    back, secret = ExposureLog.read(tmp_path), SimulatorTruth.read(tmp_path)
    assert back.schema == log.schema
    np.testing.assert_array_equal(back.slates, log.slates)
    np.testing.assert_array_equal(back.page_ids, secret.page_ids)
    slates = torch.from_numpy(shown(back))
    expected = truth.click_probability(all_rows(log), slates)
    assert torch.equal(secret.click_probability(all_rows(log), slates), expected)


def test_no_column_of_the_log_is_the_truth(seed: int) -> None:
    log, truth = simulate(SimulatorConfig(200, seed=seed))
    names = {f.name for f in log.schema.user} | {f.name for f in log.schema.candidate}
    assert not names & {f.name for f in fields(SimulatorTruth)} - {"seller", "category"}
    latent = truth.attraction.numpy().ravel()
    logit = np.log(log.candidate["ctr_score"] / (1 - log.candidate["ctr_score"]))
    for column in (*log.candidate.values(), logit):
        scaled = (column - column.mean()) / column.std()
        fitted = np.polyval(np.polyfit(scaled, latent, 1), scaled)
        assert np.std(latent - fitted) > 0.1
    for name in ("activity", "intent"):
        assert abs(np.corrcoef(log.user[name], truth.person.numpy())[0, 1]) < 0.95


def test_candidates_are_distinct_and_mostly_to_the_persons_taste(seed: int) -> None:
    log, _ = simulate(SimulatorConfig(200, seed=seed))
    for names in log.candidate_names.reshape(200, -1):
        assert len(set(names)) == 20
    fit = table(log, "value_score")
    assert fit.mean() > 0.5  # 0 for items drawn at random
    assert (fit < 0).mean() > 0.1  # and some do not fit
    assert abs(fit[:, :10].mean() - fit[:, 10:].mean()) < 0.1  # their order means nothing


def test_persons_come_back(seed: int) -> None:
    log, _ = simulate(SimulatorConfig(500, seed=seed, pages_per_person=5))
    pages = Counter(log.person_ids.tolist())
    assert 60 < len(pages) <= 100
    segments = {
        (person, int(s)) for person, s in zip(log.person_ids, log.user["segment"], strict=True)
    }
    assert len(segments) == len(pages)


@pytest.mark.parametrize(
    ("items", "candidates", "slots"), [(1, 1, 1), (30, 30, 10), (2000, 512, 128)]
)
def test_extreme_sizes_give_whole_pages(items: int, candidates: int, slots: int) -> None:
    log, _ = simulate(SimulatorConfig(3, candidates, slots, items=items, sellers=7))
    batch = log.batch(np.arange(3))
    assert batch.candidate_mask.shape == (3, candidates)
    assert [len(set(slate)) for slate in batch.slates.tolist()] == [slots] * 3
    assert len(set(log.candidate_names[:candidates])) == candidates


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pages": 0}, "pages is 0, not >= 1"),
        ({"slots": 21}, "slots is 21, above candidates = 20"),
        ({"items": 19}, "candidates is 20, above items = 19"),
        ({"seed": -1}, "seed is -1, not >= 0"),
        ({"sellers": 0}, "sellers is 0, not >= 1"),
    ],
)
def test_an_impossible_configuration_is_refused(settings: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimulatorConfig(**{"pages": 5, **settings})


def test_impossible_strengths_and_policies_are_refused() -> None:
    with pytest.raises(ValueError, match=r"contrast is -0\.1, not >= 0"):
        ClickStrengths(contrast=-0.1)
    with pytest.raises(ValueError, match="temperature is 0, not > 0"):
        LoggingPolicy(temperature=0)
    with pytest.raises(ValueError, match="spacing is 0, not >= 1"):
        LoggingPolicy(spacing=0)


# The logging policy.


def policy_log_probability(
    policy: LoggingPolicy, score: NDArray[np.float32], seller: NDArray[np.int64], slate: list[int]
) -> list[float]:
    """The policy once more, one candidate at a time."""
    answer = []
    for slot, choice in enumerate(slate):
        free = [m for m in range(len(score)) if m not in slate[:slot]]
        recent = {int(seller[m]) for m in slate[max(0, slot - policy.spacing + 1) : slot]}
        allowed = [m for m in free if int(seller[m]) not in recent] or free
        weight = {
            m: (float(score[m]) / (1 - float(score[m]))) ** (1 / policy.temperature)
            for m in allowed
        }
        answer.append(math.log(weight[choice] / sum(weight.values())))
    return answer


def test_propensities_follow_from_what_the_log_shows(seed: int) -> None:
    log, _ = simulate(SimulatorConfig(100, candidates=12, slots=12, seed=seed, sellers=5))
    scores, seller = table(log, "ctr_score"), table(log, "seller")
    logged = log.log_propensity.reshape(100, -1)
    for page in range(100):
        expected = policy_log_probability(
            LoggingPolicy(), scores[page], seller[page], shown(log)[page].tolist()
        )
        np.testing.assert_allclose(logged[page], expected, rtol=1e-4, atol=1e-6)
    assert np.isnan(log.placement_propensity).all()


def test_slates_are_drawn_as_often_as_their_propensity_says(seed: int) -> None:
    draws = 40_000
    scores = np.array([0.2, 0.3, 0.25, 0.1], dtype=np.float32)
    seller = np.array([0, 0, 1, 2])
    slates, log_propensity = LoggingPolicy(temperature=0.7, spacing=2).choose(
        np.random.default_rng(seed), np.tile(scores, (draws, 1)), np.tile(seller, (draws, 1)), 3
    )
    counts = Counter(map(tuple, slates.tolist()))
    probability = {
        tuple(slate): math.exp(sum(logs))
        for slate, logs in zip(slates.tolist(), log_propensity.tolist(), strict=True)
    }
    assert sum(probability.values()) == pytest.approx(1, abs=0.01)  # all but the rarest were seen
    assert (0, 1, 2) not in counts  # two of seller 0 in a row
    for slate, p in probability.items():
        assert abs(counts[slate] - draws * p) < 5.5 * math.sqrt(draws * p * (1 - p)) + 1, slate


def test_a_seller_returns_early_only_when_nobody_else_is_left(seed: int) -> None:
    log, _ = simulate(SimulatorConfig(300, candidates=8, slots=8, seed=seed, sellers=4))
    broken = kept = 0
    for sellers, slate in zip(table(log, "seller"), shown(log), strict=True):
        order = sellers[slate]
        for slot in range(8):
            recent = set(order[max(0, slot - 2) : slot])
            if order[slot] in recent:
                broken += 1
                assert set(order[slot:]) <= recent
            else:
                kept += 1
    assert broken and kept


# The truth.


def plain_click_probability(truth: SimulatorTruth, page: int, slate: list[int]) -> list[float]:
    """The click model once more, one slot at a time."""
    strengths, answer = truth.strengths, []
    attraction, seller, category = (
        column[page].tolist() for column in (truth.attraction, truth.seller, truth.category)
    )
    for slot, item in enumerate(slate):
        if item < 0:
            answer.append(0.0)
            continue
        logit = strengths.base + float(truth.person[page]) + attraction[item]
        logit -= strengths.position * math.log(slot + 1)
        before = [m for m in slate[:slot] if m >= 0]
        logit -= strengths.seller_fatigue * sum(seller[m] == seller[item] for m in before)
        recent = [m for m in slate[max(0, slot - strengths.category_window) : slot] if m >= 0]
        logit -= strengths.category_fatigue * sum(category[m] == category[item] for m in recent)
        for beside in (slot - 1, slot + 1):
            if 0 <= beside < len(slate) and slate[beside] >= 0:
                lead = attraction[item] - attraction[slate[beside]]
                logit += strengths.contrast * math.tanh(lead)
        answer.append(1 / (1 + math.exp(-logit)))
    return answer


def random_slates(seed: int, shape: tuple[int, int], candidates: int) -> Tensor:
    """[B, N] without repeats; a slot in seven is empty."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(shape[0], candidates, generator=generator).argsort(1)[:, : shape[1]]
    return order.masked_fill(torch.rand(shape, generator=generator) < 1 / 7, -1)


def test_the_truth_is_the_click_model_as_stated(seed: int) -> None:
    strengths = ClickStrengths(-1.0, 0.3, 0.8, 0.5, 2, 0.4)
    _, truth = simulate(SimulatorConfig(40, seed=seed, sellers=8, clicks=strengths))
    slates = random_slates(seed, (40, 10), 20)
    probability = truth.click_probability(torch.arange(40), slates)
    for page in range(40):
        expected = plain_click_probability(truth, page, slates[page].tolist())
        np.testing.assert_allclose(probability[page], expected, rtol=1e-4)


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
    with pytest.raises(TruthError, match="format version 9, this gerank reads 1"):
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
    plain = ClickStrengths(position=0, seller_fatigue=0, category_fatigue=0, contrast=0)
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
