"""The simulator: its log hides the truth, and its propensities are what happens."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import (
    FatigueUser,
    LoggingPolicy,
    ObservationNoise,
    SimulatorConfig,
    SimulatorTruth,
    simulate,
)
from tests.data.simulated_logs import all_rows, shown, table

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
    assert not names & {f.name for f in fields(SimulatorTruth)} - {
        "seller", "category", "content_type",
    }  # fmt: skip
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


def test_impossible_users_policies_and_noise_are_refused() -> None:
    with pytest.raises(ValueError, match=r"contrast is -0\.1, not >= 0"):
        FatigueUser(contrast=-0.1)
    with pytest.raises(ValueError, match="temperature is 0, not > 0"):
        LoggingPolicy(temperature=0)
    with pytest.raises(ValueError, match="spacing is 0, not >= 1"):
        LoggingPolicy(spacing=0)
    with pytest.raises(ValueError, match="ctr_score noise is -1, not a finite number >= 0"):
        ObservationNoise(ctr_score=-1)


def test_even_scores_that_are_mostly_noise_stay_inside_0_and_1(seed: int) -> None:
    noise = ObservationNoise(ctr_score=30.0)
    log, _ = simulate(SimulatorConfig(50, seed=seed, noise=noise))
    assert log.candidate["ctr_score"].min() > 0
    assert log.candidate["ctr_score"].max() < 1
    assert np.isfinite(log.log_propensity).all()


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
