"""What choices are credited with: returns by slot or slate, less baselines, less a price."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.simulator import SimulatorConfig, UserKind, simulate
from gerank.rl import slot_returns
from gerank.train.choices import Baseline, Credit
from gerank.train.credit import SupportPrice
from gerank.train.orders import generated_slates
from gerank.train.policy_step import Rollout
from tests.train.stages import LOG, PopularHigh, stage_of
from tests.train.tiny import SLOTS


class Noted:
    """A reward and a price that are tables of the slot's candidate; notes what they were asked."""

    def __init__(self) -> None:
        self.worth = torch.rand(2, 6, generator=torch.Generator().manual_seed(1))
        self.costs = torch.rand(6, generator=torch.Generator().manual_seed(2))
        self.scored: list[Tensor] = []
        self.priced: list[Tensor] = []
        self.slots_below = 0

    def by_slot(self, _rows: np.ndarray, _pages: ExposureBatch, slates: Tensor) -> Tensor:
        self.scored.append(slates)
        return self.worth.T[slates.clamp(min=0)] * (slates >= 0).unsqueeze(-1)

    def __call__(self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor) -> Tensor:
        return self.by_slot(rows, pages, slates).sum(2)

    def price(self, _rows: np.ndarray, _pages: ExposureBatch, slates: Tensor) -> Tensor:
        self.priced.append(slates)
        return self.costs[slates.clamp(min=0)] * (slates >= 0)


def one_step(
    monkeypatch: pytest.MonkeyPatch, noted: Noted, support: SupportPrice | None, **changes: Any
) -> tuple[Rollout, dict[str, float]]:
    """The roll-out of a first step over all pages, and the step's figures."""
    stage, rollouts = stage_of(noted, support, slates_per_request=3, **changes), []
    step = stage._policy_step
    monkeypatch.setattr(stage, "_policy_step", lambda r: (rollouts.append(r), step(r))[1])
    (figures,) = stage.train_epoch(0)
    (rollout,) = rollouts
    return rollout, figures


@pytest.mark.parametrize("priced", [False, True])
@pytest.mark.parametrize("credit", list(Credit))
@pytest.mark.parametrize("baseline", list(Baseline))
def test_an_advantage_is_a_return_less_the_baselines_at_the_same_slot(
    monkeypatch: pytest.MonkeyPatch, baseline: Baseline, credit: Credit, priced: bool
) -> None:
    noted = Noted()
    support = noted.price if priced else None
    rollout, figures = one_step(
        monkeypatch, noted, support, baseline=baseline, credit=credit, discount=0.5
    )
    (scored,) = noted.scored  # everything at once
    assert torch.equal(scored[:, :3], rollout.slates)
    weights = rollout.batches[0].weights / torch.tensor([2.0, 4.0])
    worth = (noted.by_slot(np.arange(0), None, scored) * weights[:, None, None]).sum(-1)
    price = noted.price(np.arange(0), None, scored) * priced
    earned = worth - price
    if credit is Credit.SLATE:
        returns = earned.sum(-1, keepdim=True).expand(-1, -1, SLOTS)
    else:
        returns = slot_returns(earned, 0.5)
    expected = {
        Baseline.EXPOSED_PAGE: returns[:, 3:4],
        Baseline.GREEDY_ROLLOUT: returns[:, -1:],
        Baseline.LEAVE_ONE_OUT: (returns[:, :3].sum(1, keepdim=True) - returns[:, :3]) / 2,
    }[baseline]
    torch.testing.assert_close(rollout.advantage, returns[:, :3] - expected)
    assert figures["reward"] == pytest.approx(worth[:, :3].sum(-1).mean().item(), rel=1e-5)
    assert figures["exposed_reward"] == pytest.approx(worth[:, 3].sum(-1).mean().item(), rel=1e-5)
    gain = worth[:, :3].sum(-1) - worth[:, 3:4].sum(-1)  # other orders of the same items: no gain
    surely, perhaps = ((gain > edge).float().mean().item() for edge in (1e-5, -1e-5))
    assert surely <= figures["sampled_better"] <= perhaps < 1
    if priced:
        mean = price[:, :3].sum(-1).mean().item()
        assert figures["support_price"] == pytest.approx(mean, rel=1e-5)
    assert ("support_price" in figures) is priced


def test_leave_one_out_asks_for_no_price_of_the_exposed_page(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted = Noted()
    rollout, _ = one_step(monkeypatch, noted, noted.price)
    (priced,) = noted.priced
    assert torch.equal(priced, rollout.slates)


@pytest.mark.parametrize("credit", list(Credit))
def test_the_score_is_less_the_price_and_the_figures_are_not(credit: Credit) -> None:
    noted = Noted()
    free, paying = (stage_of(noted, s, credit=credit).validate() for s in (None, noted.price))
    (priced,) = noted.priced
    assert free[1] == paying[1]
    mean = noted.costs[priced].sum((1, 2)).mean().item()
    assert paying[0] == pytest.approx(free[0] - mean, rel=1e-4)


def test_what_costs_more_than_it_earns_is_left_alone() -> None:
    def price(_rows: np.ndarray, pages: ExposureBatch, slates: Tensor) -> Tensor:
        popular = pages.candidate_dense[..., 2] > 0.5
        return 9.0 * popular.gather(1, slates.flatten(1)).view(slates.shape)

    prices = []
    for support in (None, price):
        stage = stage_of(PopularHigh(), support, learning_rate=1e-2, slates_per_request=4, width=16)
        for epoch in range(25):
            list(stage.train_epoch(epoch))
        slates = generated_slates(stage.model.eval(), LOG, SLOTS, torch.tensor([2.0, 0.5]))
        paid = price(np.arange(90), LOG.batch(np.arange(90)), slates.unsqueeze(1))
        prices.append(paid.sum().item())
    assert prices[1] < 0.7 * prices[0]


def test_what_a_choice_does_to_the_slot_above_counts_where_the_reward_says_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    noted = Noted()
    noted.slots_below = 1
    rollout, _ = one_step(monkeypatch, noted, None)
    (scored,) = noted.scored
    weights = rollout.batches[0].weights / torch.tensor([2.0, 4.0])
    worth = (noted.by_slot(np.arange(0), None, scored) * weights[:, None, None]).sum(-1)[:, :3]
    returns = slot_returns(worth, below=1)
    others = (returns.sum(1, keepdim=True) - returns) / 2
    torch.testing.assert_close(rollout.advantage, returns - others)


def test_simulated_users_say_how_far_down_they_look() -> None:
    """A change of one slot moves the clicks of as many slots above as they say, and no more."""
    for kind in UserKind:
        config = SimulatorConfig(64, 8, 5, seed=0, users=kind)
        _, truth = simulate(config)
        slates = torch.arange(8).expand(64, 8)[:, :5].contiguous()
        rows = torch.arange(64)
        before = truth.click_probability(rows, slates)
        changed = slates.clone()
        changed[:, 3] = 7
        moved = (truth.click_probability(rows, changed) - before).abs().amax(0) > 1e-7
        assert moved[:3].tolist() == [n >= 3 - truth.user.slots_below for n in range(3)], kind
