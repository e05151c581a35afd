"""What the generator is shown while it learns: pages, seeds and preference weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, RerankBatch
from gerank.nn.generator import Encoded
from gerank.train.choices import Baseline, Credit, Exploration, PolicyLoss
from gerank.train.generator_stage import GeneratorStage
from gerank.train.reward import Reward
from gerank.train.run_folder import RunFolder
from tests.train.stages import LOG, UTILITIES, PopularHigh, no_reward, stage_of
from tests.train.tiny import SLOTS, tiny_config


def asked(epoch: int, monkeypatch: pytest.MonkeyPatch, seed: int = 0) -> list[RerankBatch]:
    """The batches of one epoch over 90 pages, 32 at a time."""
    config = tiny_config(Path("unused"), reward=UTILITIES, batch_size=32)
    generator = RunFolder(Path("unused"), config, LOG.schema, 512).new_generator()
    rows = np.arange(90)
    stage = GeneratorStage(
        generator, no_reward, LOG, rows, rows, config.generator, UTILITIES, SLOTS, seed
    )
    batches: list[RerankBatch] = []
    encode = generator.encode_batch

    def note(batch: RerankBatch) -> Encoded:
        batches.append(batch)
        return encode(batch)

    monkeypatch.setattr(generator, "encode_batch", note)
    assert len(list(stage.train_epoch(epoch))) == stage.steps_per_epoch == len(batches) == 3
    return batches


def test_no_seed_is_drawn_from_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    seeds = [b.seeds for epoch in (0, 1, 5) for b in asked(epoch, monkeypatch)]
    assert len(torch.cat(seeds).unique()) == 3 * 90


def test_every_page_is_shown_once_an_epoch_in_another_order(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders = [torch.cat([b.user_dense for b in asked(e, monkeypatch)]) for e in (0, 1)]
    assert not torch.equal(*orders)
    assert torch.equal(*(order.unique(dim=0) for order in orders))
    assert len(orders[0]) == 90


def test_slates_are_sampled_not_greedy(monkeypatch: pytest.MonkeyPatch) -> None:
    assert not any(batch.greedy.any() for batch in asked(0, monkeypatch))


def test_half_the_pages_have_default_weights_and_half_draw_their_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    weights = torch.cat([b.weights for e in range(4) for b in asked(e, monkeypatch)])
    one, other = weights.unbind(1)
    assert (other == 0.5).all()
    assert ((one >= -1.0) & (one <= 3.0)).all()
    default = one == 2.0
    assert 0.35 < default.float().mean().item() < 0.65
    drawn = one[~default]
    assert len(drawn.unique()) == len(drawn)
    assert drawn.min() < -0.5
    assert drawn.max() > 2.5


def test_an_epoch_depends_on_its_number_and_the_seed_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def weights(epoch: int, seed: int) -> Tensor:
        torch.manual_seed(torch.seed() % 2**31)
        return torch.cat([b.weights for b in asked(epoch, monkeypatch, seed)])

    assert torch.equal(weights(1, 0), weights(1, 0))
    assert not torch.equal(weights(1, 0), weights(2, 0))
    assert not torch.equal(weights(1, 0), weights(1, 1))


def first_on_top(_rows: np.ndarray, _pages: ExposureBatch, slates: Tensor) -> Tensor:
    """Candidate 0 on top is worth 1 in both utilities."""
    return (slates[..., :1] == 0).float().expand(-1, -1, 2)


def popular_on_top(_rows: np.ndarray, pages: ExposureBatch, slates: Tensor) -> Tensor:
    """The popularity of what stands on top, in both utilities."""
    popularity = pages.candidate_dense[..., 2]
    return popularity.gather(1, slates[..., 0]).unsqueeze(-1).expand(-1, -1, 2)


@pytest.mark.parametrize(
    ("reward", "changes"),
    [
        (PopularHigh(), {"policy_loss": loss, "baseline": baseline, "credit": credit})
        for loss in PolicyLoss
        for baseline in Baseline
        for credit in Credit
    ]
    + [(popular_on_top, {"baseline": baseline}) for baseline in Baseline]
    + [(PopularHigh(), {"exploration": Exploration.RANDOM_NETWORK})]
    + [(PopularHigh(), {"discount": 0.5})],
)
def test_every_loss_baseline_credit_and_exploration_learns(
    reward: Reward, changes: dict[str, Any]
) -> None:
    stage = stage_of(
        reward, learning_rate=1e-2, novelty_weight=0.01, slates_per_request=4, **changes
    )
    before = stage.validate()[0]
    figures = [metrics for epoch in range(25) for metrics in stage.train_epoch(epoch)]
    assert figures[-1].keys() == {
        *("reward", "exposed_reward", "sampled_better", "entropy", "gradient_norm")
    }
    assert stage.validate()[0] > before + 0.3


@pytest.mark.parametrize(
    ("pages", "batch_size", "batch"),
    [(90, 0, 32), (1000, 0, 40), (2500, 0, 100), (9000, 0, 128), (700, 7, 7)],
)
def test_the_batch_is_a_share_of_the_pages_within_bounds(
    pages: int, batch_size: int, batch: int
) -> None:
    stage = stage_of(no_reward, pages=pages, batch_size=batch_size)
    least = -(-pages // batch)
    assert stage.steps_per_epoch == least
    assert stage.epochs == 2
    if pages == 90:
        assert len(list(stage.train_epoch(0))) == stage.steps_per_epoch


@pytest.mark.parametrize(
    ("changes", "epochs"),
    [
        ({}, 2),
        ({"min_steps": 6}, 2),  # 2 epochs of 3 batches
        ({"min_steps": 7}, 3),
        ({"min_steps": 500}, 167),
        ({"min_steps": 500, "epochs": 200}, 200),
        ({"min_steps": 24, "policy_loss": PolicyLoss.PPO, "ppo_epochs": 4}, 2),
        ({"min_steps": 25, "policy_loss": PolicyLoss.PPO, "ppo_epochs": 4}, 3),
    ],
)
def test_a_small_log_is_passed_over_until_there_are_enough_steps(
    changes: dict[str, Any], epochs: int
) -> None:
    stage = stage_of(no_reward, batch_size=32, **changes)
    assert stage.epochs == epochs
    assert stage.schedule.T_max == 3 * epochs  # type: ignore[attr-defined]


def test_ppo_steps_several_times_on_one_roll_out(monkeypatch: pytest.MonkeyPatch) -> None:
    counts = []
    for changes in ({}, {"policy_loss": PolicyLoss.PPO, "ppo_epochs": 3}):
        stage, steps, rollouts = stage_of(first_on_top, **changes), [], []
        step, rollout = stage.optimizer.step, stage.model.rollout
        monkeypatch.setattr(stage.optimizer, "step", lambda s=step, c=steps: (c.append(1), s()))
        monkeypatch.setattr(
            stage.model, "rollout", lambda *a, r=rollout, c=rollouts: (c.append(1), r(*a))[1]
        )
        list(stage.train_epoch(0))
        counts.append((len(steps), len(rollouts)))
    assert counts == [(1, 1), (3, 1)]


def test_rewards_are_weighed_sums_of_scaled_utilities() -> None:
    stage = stage_of(first_on_top)
    rows, pages = np.arange(4), LOG.batch(np.arange(4))
    slates = torch.tensor([[[0, 1, 2], [1, 0, 2]]]).expand(4, -1, -1)
    weights = torch.tensor([[1.0, 0.5], [-1.0, 0.5], [3.0, 0.5], [2.0, 0.5]])
    found = stage._credit.reward(rows, pages, slates, weights)
    expected = weights[:, 0] / 2.0 + weights[:, 1] / 4.0
    torch.testing.assert_close(found, torch.stack([expected, torch.zeros(4)], dim=1))
    by_slot = stage._credit.by_slot(rows, pages, slates, weights)
    assert torch.equal(by_slot[..., -1], found)  # of whole slates, so it stands at the last slot
    assert not by_slot[..., :-1].any()
