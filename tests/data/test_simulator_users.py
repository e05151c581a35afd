"""The simulated users: each click model as stated, and clicks that follow it."""

from __future__ import annotations

import hashlib
import math
from itertools import product
from pathlib import Path

import numpy as np
import pytest
import torch

from gerank.data.simulator import (
    AttentionUser,
    CascadeUser,
    ExaminationUser,
    FatigueUser,
    Logging,
    RepeatSeekingUser,
    SimulatorConfig,
    SimulatorTruth,
    TruthError,
    User,
    UserKind,
    best_slates,
    make_user,
    simulate,
)
from gerank.data.simulator.world import CONTENT_TYPES
from tests.data.plain_users import (
    VIDEO,
    plain_click_probability,
    plain_patience,
    plain_wishes,
)
from tests.data.simulated_logs import all_rows, random_slates, shown

# Not the defaults, so that no weight can stand in for another.
USERS: list[User] = [
    FatigueUser(-1.0, 0.3, 0.8, 0.5, 2, 0.4),
    ExaminationUser(-0.5, 0.5, 0.7, 0.4, 3, 0.6),
    CascadeUser(0.3, 0.6, 0.9, 0.5, 0.35),
    AttentionUser(-0.4, 0.2, 0.9, 0.7, 0.55),
    RepeatSeekingUser(-0.7, 0.45, 0.8, 0.35, 0.6, 0.4),
]
each_user = pytest.mark.parametrize("user", USERS, ids=lambda user: user.kind)
each_kind = pytest.mark.parametrize("kind", UserKind)


def config(user: User, pages: int, seed: int, feed_pages: int = 1) -> SimulatorConfig:
    return SimulatorConfig(
        pages, seed=seed, sellers=8, clicks=user, users=user.kind, feed_pages=feed_pages
    )


@each_user
@pytest.mark.parametrize("feed_pages", [1, 3])
def test_a_user_clicks_as_stated(user: User, feed_pages: int, seed: int) -> None:
    _, truth = simulate(config(user, 40, seed, feed_pages))
    slates = random_slates(seed, (40, 10), 20)
    probability = truth.click_probability(torch.arange(40), slates)
    for page in range(40):
        expected = plain_click_probability(truth, page, slates[page].tolist())
        np.testing.assert_allclose(probability[page], expected, rtol=1e-4, atol=1e-6)


def test_the_videos_of_the_plain_users_are_videos() -> None:
    assert CONTENT_TYPES[VIDEO] == "video"


@each_user
@pytest.mark.parametrize("feed_pages", [1, 3])
def test_many_slates_of_a_page_are_judged_as_one_by_one(
    user: User, feed_pages: int, seed: int
) -> None:
    _, truth = simulate(config(user, 30, seed, feed_pages))
    slates = random_slates(seed, (30 * 4, 10), 20).view(30, 4, 10)
    rows = torch.randperm(30, generator=torch.Generator().manual_seed(seed))
    clicks, any_click = truth.expected_clicks(rows, slates), truth.any_click(rows, slates)
    for place in range(4):
        alone = truth.click_probability(rows, slates[:, place]).sum(-1)
        torch.testing.assert_close(clicks[:, place], alone)
        torch.testing.assert_close(any_click[:, place], truth.any_click(rows, slates[:, place]))
    assert truth.expected_clicks(rows[:0], slates[:0]).shape == (0, 4)


@each_user
def test_drawn_clicks_are_as_frequent_as_the_truth_says(user: User, seed: int) -> None:
    draws = 20_000
    _, truth = simulate(config(user, 5, seed))
    slates = random_slates(seed, (5, 10), 20)
    generator, rows = np.random.default_rng(seed), torch.arange(5)
    for page in range(5):
        repeated = slates[page].expand(1, draws, 10)
        clicks = truth.sample_clicks(generator, rows[page, None], repeated)[0]
        for rate, probability in (
            (clicks.float().mean(0), truth.click_probability(rows, slates)[page]),
            (clicks.any(-1).float().mean(0), truth.any_click(rows, slates)[page]),
        ):
            spread = (probability * (1 - probability) / draws).sqrt()
            assert ((rate - probability).abs() <= 5 * spread + 4 / draws).all()


@each_kind
def test_logged_clicks_are_as_frequent_as_the_truth_says(kind: UserKind, seed: int) -> None:
    log, truth = simulate(SimulatorConfig(4000, seed=seed, users=kind, feed_pages=2))
    slates = torch.from_numpy(shown(log))
    probability = truth.click_probability(all_rows(log), slates).double()
    any_click = truth.any_click(all_rows(log), slates).double()
    clicks = torch.from_numpy(log.clicks).view_as(probability).double()
    spread = (probability * (1 - probability)).sum(0).sqrt()
    assert ((clicks - probability).sum(0).abs() < 5 * spread).all()
    surplus = (clicks.any(1).double() - any_click).sum().abs()
    assert surplus < 5 * (any_click * (1 - any_click)).sum().sqrt()


# The cascade.


def test_after_a_click_the_cascade_reads_on_less_often(seed: int) -> None:
    draws, slots = 200_000, 4
    user = CascadeUser(base=0.0)
    _, truth = simulate(SimulatorConfig(1, 6, slots, seed, clicks=user, users=user.kind))
    slate = torch.arange(slots)
    clicks = truth.sample_clicks(
        np.random.default_rng(seed), torch.tensor([0]), slate.expand(1, draws, slots)
    )[0].numpy()
    first, second = (wish or 0.0 for wish in plain_wishes(truth, 0, [0, 1, 2, 3])[:2])
    patience = plain_patience(user, slots)[1]
    for condition, expected in (
        (clicks[:, 0], patience * (1 - user.leave_after_click) * second),
        (~clicks[:, 0], patience * second),
    ):
        rate, visits = clicks[condition, 1].mean(), condition.sum()
        assert abs(rate - expected) < 5 * math.sqrt(expected * (1 - expected) / visits)
    assert first > 0


def test_the_cascade_counts_every_way_of_reading(seed: int) -> None:
    user = CascadeUser(0.3, 0.6, 0.9, 0.5, 0.35)
    _, truth = simulate(SimulatorConfig(6, 8, 5, seed, sellers=4, clicks=user, users=user.kind))
    slates = random_slates(seed, (6, 5), 8)
    any_click = truth.any_click(torch.arange(6), slates)
    marginal = truth.click_probability(torch.arange(6), slates)
    for page in range(6):
        wishes = plain_wishes(truth, page, slates[page].tolist())
        patience = plain_patience(user, 5)
        expected, clicked = np.zeros(5), 0.0
        for clicks in product([False, True], repeat=5):
            if any(c and wish is None for c, wish in zip(clicks, wishes, strict=True)):
                continue
            p = _chance(user, list(clicks), wishes, patience)
            expected += p * np.array(clicks)
            clicked += p * any(clicks)
        np.testing.assert_allclose(marginal[page], expected, rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(any_click[page], clicked, rtol=1e-4, atol=1e-6)


def _chance(
    user: CascadeUser, clicks: list[bool], wishes: list[float | None], patience: list[float]
) -> float:
    """Sums the chance of exactly these clicks over the slot at which the user leaves."""
    items = [slot for slot, wish in enumerate(wishes) if wish is not None]
    total, reading = 0.0, 1.0
    for place, slot in enumerate(items):
        wish = wishes[slot] or 0.0
        reading *= wish if clicks[slot] else 1 - wish
        if place + 1 == len(items):
            return total + reading
        stays = patience[items[place + 1]] * (1 - user.leave_after_click * clicks[slot])
        if not any(clicks[slot + 1 :]):
            total += reading * (1 - stays)
        reading *= stays
    return 1.0  # an empty page: surely no click


# All kinds.


@each_kind
def test_each_kind_clicks_about_as_often_as_a_feed(kind: UserKind) -> None:
    settings = SimulatorConfig(3000, users=kind, logging=Logging.DETERMINISTIC)
    log, truth = simulate(settings)
    clicks = truth.expected_clicks(all_rows(log), torch.from_numpy(shown(log))).mean()
    low, high = {UserKind.FATIGUE: (1.0, 1.4), UserKind.CASCADE: (1.4, 1.8)}.get(kind, (2.5, 3.1))
    assert low < clicks < high


@each_kind
def test_the_best_of_all_slates_beats_the_sort(kind: UserKind, seed: int) -> None:
    log, truth = simulate(
        SimulatorConfig(100, 6, 4, seed, users=kind, logging=Logging.DETERMINISTIC)
    )
    rows = all_rows(log)
    logged = truth.expected_clicks(rows, torch.from_numpy(shown(log)))
    _, best = best_slates(truth, rows, 4)
    assert (best >= logged - 1e-5).all()
    assert best.mean() > 1.003 * logged.mean()


@each_user
@pytest.mark.parametrize("feed_pages", [1, 3])
def test_a_written_truth_has_the_same_user(
    user: User, feed_pages: int, seed: int, tmp_path: Path
) -> None:
    _, truth = simulate(config(user, 20, seed, feed_pages))
    truth.write(tmp_path)
    back = SimulatorTruth.read(tmp_path)
    assert back.user == user
    slates = random_slates(seed, (20, 10), 20)
    expected = truth.click_probability(torch.arange(20), slates)
    assert torch.equal(back.click_probability(torch.arange(20), slates), expected)


def test_a_truth_file_with_an_unknown_user_is_named(tmp_path: Path) -> None:
    _, truth = simulate(SimulatorConfig(5))
    truth.write(tmp_path)
    path = tmp_path / "truth.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    for old, new in (("fatigue", "sleepy"), ('"base"', '"gravity"'), ("0.35", "-0.35")):
        document = np.array(str(arrays["document"]).replace(old, new, 1))
        np.savez(path, **{**arrays, "document": document})
        with pytest.raises(TruthError, match=r"truth\.npz: not a readable simulator truth"):
            SimulatorTruth.read(tmp_path)


def test_users_that_cannot_be_are_refused() -> None:
    with pytest.raises(ValueError, match=r"distraction is -0\.1, not >= 0"):
        AttentionUser(distraction=-0.1)
    with pytest.raises(ValueError, match=r"patience is 1\.1, not <= 1"):
        CascadeUser(patience=1.1)
    with pytest.raises(ValueError, match="examination is nan, not >= 0"):
        make_user(UserKind.EXAMINATION, {"examination": math.nan})
    with pytest.raises(ValueError, match="clicks is of cascade users, but users is fatigue"):
        SimulatorConfig(5, clicks=CascadeUser())


def test_a_log_of_the_first_format_keeps_its_bits() -> None:
    log, _ = simulate(SimulatorConfig(300, slots=6, seed=3))
    digest = hashlib.sha256(log.slates.tobytes() + log.clicks.tobytes()).hexdigest()
    assert digest.startswith("0a11efeb0abc2bb4")
