"""Boosted trees as a judge: what they learn, what they answer, what they refuse."""

from __future__ import annotations

import importlib.util
from dataclasses import replace

import numpy as np
import pytest
import torch

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, SimulatorTruth, simulate
from gerank.train import boosted_judge
from gerank.train.boosted_judge import BoostedJudge, BoostedJudgeError, boosted_judge_available
from gerank.train.feedback import Feedback
from gerank.train.slot_features import SlotFeatures
from tests.data.exposure_logs import random_log

needs_lightgbm = pytest.mark.skipif(not boosted_judge_available(), reason="lightgbm is missing")

SLOTS = 5


@pytest.fixture(scope="module")
def simulated() -> tuple[ExposureLog, SimulatorTruth]:
    return simulate(SimulatorConfig(4000, 8, SLOTS, seed=3))


@pytest.fixture(scope="module")
def judge(simulated: tuple[ExposureLog, SimulatorTruth]) -> BoostedJudge:
    rows = np.arange(len(simulated[0]))
    return BoostedJudge(simulated[0], rows[:2600], rows[2600:3200], SLOTS, score="ctr_score")


@pytest.fixture(scope="module")
def held_out(
    simulated: tuple[ExposureLog, SimulatorTruth],
) -> tuple[np.ndarray, ExposureBatch, torch.Tensor]:
    """Pages no tree has seen, each with forty random slates [B, 40, N]."""
    rows = np.arange(3200, 4000)
    noise = torch.from_numpy(np.random.default_rng(0).random((len(rows), 40, 8)))
    return rows, simulated[0].batch(rows), noise.argsort(-1)[..., :SLOTS]


@needs_lightgbm
def test_prefers_better_slates_by_truth(
    simulated: tuple[ExposureLog, SimulatorTruth],
    judge: BoostedJudge,
    held_out: tuple[np.ndarray, ExposureBatch, torch.Tensor],
) -> None:
    rows, pages, slates = held_out
    said = judge(rows, pages, slates)[0].sum(-1)
    true = simulated[1].expected_clicks(rows, slates)
    chosen = true.gather(1, said.argmax(1, keepdim=True)).squeeze(1)
    gap = (chosen - true.mean(1)).mean() / (true.max(1).values - true.mean(1)).mean()
    assert gap > 0.5, f"{gap:.3f} of the gap between a random and the best of forty slates"


@needs_lightgbm
def test_learns_the_slots(
    judge: BoostedJudge, held_out: tuple[np.ndarray, ExposureBatch, torch.Tensor]
) -> None:
    by_slot = judge(*held_out)[0].mean((0, 1))
    assert by_slot[0] > 1.1 * by_slot[-1]  # items are dealt at random; what is left is the slot


@needs_lightgbm
def test_is_calibrated_on_logged_pages(
    simulated: tuple[ExposureLog, SimulatorTruth], judge: BoostedJudge
) -> None:
    rows = np.arange(3200, 4000)
    pages = simulated[0].batch(rows)
    slot, page = judge(rows, pages, pages.slates.unsqueeze(1))
    assert slot.mean().item() == pytest.approx(pages.clicks.mean().item(), rel=0.1)
    torch.testing.assert_close(page, 1 - (1 - slot).prod(-1))


@needs_lightgbm
def test_empty_slots_are_never_clicked_and_keep_their_place(
    judge: BoostedJudge, held_out: tuple[np.ndarray, ExposureBatch, torch.Tensor]
) -> None:
    rows, pages, slates = held_out
    holed = slates.clone()
    holed[..., 1] = -1
    holed[0] = -1
    slot, page = judge(rows, pages, holed)
    assert slot.shape == slates.shape and page.shape == slates.shape[:2]
    assert not slot[..., 1].any() and not slot[0].any() and not page[0].any()
    whole = judge(rows, pages, slates)[0]
    assert torch.equal(slot[1:, :, 0], whole[1:, :, 0])  # causal: what is below does not matter


@needs_lightgbm
def test_batches_do_not_matter(
    judge: BoostedJudge,
    held_out: tuple[np.ndarray, ExposureBatch, torch.Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rows, pages, slates = held_out
    whole = judge(rows, pages, slates)[0]
    monkeypatch.setattr(boosted_judge, "_SLOTS_AT_ONCE", 7 * slates[0].numel())
    assert torch.equal(judge(rows, pages, slates)[0], whole)


@needs_lightgbm
def test_equal_seeds_give_equal_answers_and_members_differ(
    simulated: tuple[ExposureLog, SimulatorTruth],
    held_out: tuple[np.ndarray, ExposureBatch, torch.Tensor],
) -> None:
    rows = np.arange(len(simulated[0]))

    def fitted() -> list[Feedback]:
        judge = BoostedJudge(simulated[0], rows[:600], rows[600:800], SLOTS, bootstrap=2, seed=5)
        return [judge, *judge.members()]

    first, again = ([model(*held_out)[0] for model in fitted()] for _ in range(2))
    assert len(first) == 3
    for left, right in zip(first, again, strict=True):
        assert torch.equal(left, right)
    assert not torch.equal(first[0], first[1]) and not torch.equal(first[1], first[2])


@needs_lightgbm
@pytest.mark.parametrize("users", [True, False])
def test_takes_ragged_pages_and_users_without_features(users: bool) -> None:
    log = random_log(seed=0, pages=60)
    if not users:
        log = replace(log, schema=replace(log.schema, user=()), user={})
    judge = BoostedJudge(log, np.arange(50), np.arange(50, 60), slots=4)
    pages = log.batch(np.arange(60))
    slot, _ = judge(np.arange(60), pages, pages.slates.unsqueeze(1))
    assert torch.equal(slot.squeeze(1) > 0, pages.slates >= 0)


def test_columns_by_hand() -> None:
    log = random_log(seed=0, pages=1)
    pages = log.batch(np.array([0]))
    pages.candidate_ids[0, :3] = torch.tensor([[7, 1], [7, 0], [-1, 1]])  # seller, fresh
    pages.candidate_dense[0, :3, 1] = torch.tensor([4.0, 1.0, 3.0])  # score
    features = SlotFeatures(log.schema, "score")
    table = features(pages, torch.tensor([[[0, 1, -1, 2]]]))
    assert table.shape == (3, len(features.names))

    def column(name: str) -> list[float]:
        return table[:, features.names.index(name)].tolist()

    assert column("slot") == [0, 1, 3]
    assert column("score, value") == [4, 1, 3]
    assert column("same seller, page") == [0, 1, 0]
    assert column("same seller, above") == [0, 1, 0]
    assert column("earlier fresh") == [0, 1, 1]
    assert column("fresh") == [1, 0, 1]
    np.testing.assert_array_equal(column("score, over the item above"), [np.nan, -3, np.nan])
    np.testing.assert_array_equal(column("score, over the mean above"), [np.nan, -3, 0.5])
    assert features.categorical == {
        features.names.index("fresh"): 2,
        features.names.index("home"): 7,
    }


@needs_lightgbm
def test_refuses_what_no_judge_can_be_fitted_on(
    simulated: tuple[ExposureLog, SimulatorTruth],
) -> None:
    log, some = simulated[0], np.arange(20)
    with pytest.raises(ValueError, match="score: 'price_score' is not a dense feature"):
        BoostedJudge(log, some, some, SLOTS, score="price_score")
    with pytest.raises(BoostedJudgeError, match="validation: 0 pages, not at least 1"):
        BoostedJudge(log, some, some[:0], SLOTS)
    with pytest.raises(BoostedJudgeError, match="threads: 0, not at least 1"):
        BoostedJudge(log, some, some, SLOTS, threads=0)
    unclicked = replace(log, clicks=np.zeros_like(log.clicks))
    with pytest.raises(BoostedJudgeError, match="train: 0 of 100 slots are clicked"):
        BoostedJudge(unclicked, some, some, SLOTS)
    alone = replace(log, person_ids=np.full(len(log), "one"))
    with pytest.raises(BoostedJudgeError, match="train: 1 person; a bootstrap needs two"):
        BoostedJudge(alone, some, some, SLOTS, bootstrap=2)


def test_without_lightgbm_the_extra_is_named(
    simulated: tuple[ExposureLog, SimulatorTruth], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert not boosted_judge_available()
    with pytest.raises(ImportError, match=r"pip install 'gerank\[compare\]'"):
        BoostedJudge(simulated[0], np.arange(9), np.arange(9), SLOTS)
