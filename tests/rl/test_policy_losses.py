"""Losses by hand, and against a policy small enough to differentiate its expected reward.

Three candidates, two slots, six slates, a Plackett-Luce policy with three logits: the expected
reward is a sum of six terms, and that a loss has the right gradient is an equality.
"""

from __future__ import annotations

from itertools import permutations
from math import exp
from typing import Any

import pytest
import torch
from torch import Tensor

from gerank.rl import leave_one_out, ppo_clipped, reinforce, slot_returns

SLATES = torch.tensor(list(permutations(range(3), 2)))  # [6, 2]
INF = float("inf")
SEEDS = range(3)


def slate_log_prob(logits: Tensor) -> Tensor:
    """[6, 2] log-probability of each choice of each slate."""
    first = logits.log_softmax(dim=0)[SLATES[:, 0]]
    taken = torch.nn.functional.one_hot(SLATES[:, 0], 3).bool()
    rest = logits.expand(6, 3).masked_fill(taken, -INF).log_softmax(dim=1)
    return torch.stack([first, rest.gather(1, SLATES[:, 1:])[:, 0]], dim=1)


def policy(seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """(logits [3] with gradient, rewards [6], gradient of the expected reward [3])."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(3, dtype=torch.float64, generator=generator).requires_grad_()
    reward = torch.randn(6, dtype=torch.float64, generator=generator)
    expected = (slate_log_prob(logits).sum(dim=1).exp() * reward).sum()
    (gradient,) = torch.autograd.grad(expected, logits)
    return logits, reward, gradient


def everything(log_prob: Tensor) -> Tensor:
    return torch.ones_like(log_prob, dtype=torch.bool)


def test_reinforce_by_hand() -> None:
    log_prob = torch.tensor([[[-1.0, -2.0], [-3.0, -9.0]]])
    mask = torch.tensor([[[True, True], [True, False]]])
    loss = reinforce(log_prob, torch.tensor([[2.0, -1.0]]), mask)
    assert loss.item() == -(2.0 * (-1 - 2) + -1.0 * (-3)) / 2


def test_by_slot_by_hand() -> None:
    log_prob = torch.tensor([[[-1.0, -2.0], [-3.0, -9.0]]])
    mask = torch.tensor([[[True, True], [True, False]]])
    advantage = torch.tensor([[[2.0, 0.5], [-1.0, 7.0]]])
    expected = -(2.0 * -1 + 0.5 * -2 + -1.0 * -3) / 2
    assert reinforce(log_prob, advantage, mask).item() == expected
    # Where nothing has moved yet, PPO gains the advantage of every slot in use.
    assert ppo_clipped(log_prob, log_prob, advantage, mask).item() == -(2.0 + 0.5 - 1.0) / 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("loss", [reinforce, ppo_clipped])
def test_an_advantage_of_the_slate_is_one_that_all_its_slots_share(seed: int, loss: Any) -> None:
    source = torch.Generator().manual_seed(seed)
    log_prob, behavior = -torch.rand(2, 3, 2, 4, generator=source)
    mask = torch.rand(log_prob.shape, generator=source) < 0.7
    advantage = torch.randn(3, 2, generator=source)
    found, expected = (
        loss(log_prob=log_prob, behavior_log_prob=behavior, advantage=a, slot_mask=mask)
        for a in (advantage.unsqueeze(-1).expand(-1, -1, 4), advantage)
    )
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("seed", SEEDS)
def test_reinforce_has_the_gradient_of_minus_the_expected_reward(seed: int) -> None:
    logits, reward, gradient = policy(seed)
    log_prob = slate_log_prob(logits)[None]  # [1, 6, 2]: every slate once,
    probability = log_prob.sum(dim=2).exp()
    advantage = reward * probability * 6  # so each must count by its probability.
    loss = reinforce(log_prob, advantage, everything(log_prob))
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], -gradient)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("baseline", ["constant", "leave one out"])
def test_baselines_leave_the_expected_gradient_as_it_is(seed: int, baseline: str) -> None:
    logits, reward, gradient = policy(seed)
    pairs = torch.cartesian_prod(torch.arange(6), torch.arange(6))  # [36, 2]: two slates drawn.
    log_prob = slate_log_prob(logits)[pairs]  # [36, 2, 2]
    probability = log_prob.sum(dim=(1, 2)).exp()
    rewards = reward[pairs]
    advantage = leave_one_out(rewards) if baseline == "leave one out" else rewards - 0.7
    loss = reinforce(log_prob, advantage * probability[:, None] * 36, everything(log_prob))
    torch.testing.assert_close(torch.autograd.grad(loss, logits)[0], -gradient)


def causal_credit(seed: int) -> Tensor:
    """[6, 2] c_1 of the first choice alone, c_2 of both: nothing is earned by what comes later."""
    source = torch.Generator().manual_seed(100 + seed)
    first = torch.randn(3, dtype=torch.float64, generator=source)[SLATES[:, 0]]
    return torch.stack([first, torch.randn(6, dtype=torch.float64, generator=source)], dim=1)


def expected_gradient(logits: Tensor, advantage: Tensor, drawn: Tensor) -> Tensor:
    """[3] mean gradient of `reinforce` over all draws: slates `drawn` [D, G] of one request."""
    log_prob = slate_log_prob(logits)[drawn]  # [D, G, 2]
    probability = log_prob.sum(dim=(1, 2)).exp().detach()
    weight = probability.view(-1, *[1] * (advantage.dim() - 1)) * len(drawn)
    loss = reinforce(log_prob, advantage * weight, everything(log_prob))
    return torch.autograd.grad(loss, logits)[0]


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("baseline", ["none", "constant", "leave one out"])
def test_credit_by_slot_has_the_expected_gradient_of_credit_by_slate(
    seed: int, baseline: str
) -> None:
    logits, _, _ = policy(seed)
    drawn = torch.cartesian_prod(torch.arange(6), torch.arange(6))  # [36, 2]
    credit = causal_credit(seed)[drawn]  # [36, 2, 2]
    returns = slot_returns(credit)
    if baseline == "leave one out":
        returns = leave_one_out(returns)
    elif baseline == "constant":
        returns = returns - torch.tensor([0.7, -0.2])
    by_slot = expected_gradient(logits, returns, drawn)
    torch.testing.assert_close(by_slot, expected_gradient(logits, credit.sum(-1), drawn))
    # A discount is a bias, and c_2 must not be earned by the first slot alone.
    assert not torch.allclose(by_slot, expected_gradient(logits, slot_returns(credit, 0.5), drawn))


@pytest.mark.parametrize("seed", range(10))
def test_credit_by_slot_has_less_variance(seed: int) -> None:
    """Variances are added up over the first credit with either sign.

    With one sign alone it may by chance cancel noise of the second credit.
    """
    logits, _, _ = policy(seed)
    pairs = torch.cartesian_prod(torch.arange(6), torch.arange(6))  # [36, 2]
    log_prob = slate_log_prob(logits)[pairs]  # [36, 2, 2]
    probability = log_prob.sum(dim=(1, 2)).exp().detach()
    credit, either = causal_credit(seed)[pairs], torch.tensor([[1.0, 1.0], [-1.0, 1.0]])

    def variance(returns: Tensor) -> float:
        advantage, mask = leave_one_out(returns), everything(log_prob)
        draws = (slice(d, d + 1) for d in range(len(pairs)))
        losses = [reinforce(log_prob[d], advantage[d], mask[d]) for d in draws]
        gradients = [torch.autograd.grad(loss, logits, retain_graph=True)[0] for loss in losses]
        off = torch.stack(gradients) - probability @ torch.stack(gradients)
        return (probability @ off.square()).sum().item()

    signed = [credit * sign for sign in either]
    whole = [c.sum(-1, keepdim=True).expand(-1, -1, 2) for c in signed]
    assert sum(variance(slot_returns(c)) for c in signed) < sum(map(variance, whole))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_step_against_the_gradient_raises_the_expected_reward(seed: int) -> None:
    logits, reward, _ = policy(seed)

    def expected_reward(at: Tensor) -> float:
        return (slate_log_prob(at.detach()).sum(dim=1).exp() * reward).sum().item()

    log_prob = slate_log_prob(logits)[None]
    loss = reinforce(log_prob, reward * log_prob.sum(dim=2).exp(), everything(log_prob))
    (step,) = torch.autograd.grad(loss, logits)
    assert expected_reward(logits - 0.01 * step) > expected_reward(logits)


@pytest.mark.parametrize("seed", SEEDS)
def test_ppo_starts_with_the_gradient_of_reinforce(seed: int) -> None:
    logits, reward, _ = policy(seed)
    log_prob = slate_log_prob(logits)[None]
    mask = torch.rand(log_prob.shape, generator=torch.Generator().manual_seed(seed)) < 0.7
    clipped = ppo_clipped(log_prob, log_prob.detach(), reward[None], mask)
    plain = reinforce(log_prob, reward[None], mask)
    torch.testing.assert_close(
        torch.autograd.grad(clipped, logits, retain_graph=True)[0],
        torch.autograd.grad(plain, logits)[0],
    )


@pytest.mark.parametrize(
    ("change", "advantage", "gain", "slope"),
    [
        (0.1, 2.0, exp(0.1) * 2, exp(0.1) * 2),  # Inside the clip.
        (0.5, 2.0, 1.2 * 2, 0.0),  # Has moved enough towards its gain.
        (0.5, -2.0, exp(0.5) * -2, exp(0.5) * -2),  # Has moved the wrong way: pulled back.
        (-0.5, -2.0, 0.8 * -2, 0.0),
        (-0.5, 2.0, exp(-0.5) * 2, exp(-0.5) * 2),
    ],
)
def test_ppo_by_hand(change: float, advantage: float, gain: float, slope: float) -> None:
    log_prob = torch.tensor([[[-1.0 + change]]], requires_grad=True)
    loss = ppo_clipped(
        log_prob, torch.tensor([[[-1.0]]]), torch.tensor([[advantage]]), everything(log_prob)
    )
    loss.backward()
    assert log_prob.grad is not None
    assert loss.item() == pytest.approx(-gain, rel=1e-6)
    assert log_prob.grad.item() == pytest.approx(-slope, rel=1e-6)


def test_ppo_sums_over_the_slots_in_use_and_averages_over_slates() -> None:
    behavior = torch.full((2, 3, 4), -1.0)
    advantage = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    mask = everything(behavior)
    mask[..., -1] = False
    loss = ppo_clipped(behavior.clone(), behavior, advantage, mask)
    assert loss.item() == pytest.approx(-3 * advantage.mean().item())


@pytest.mark.parametrize("advantage", [0.0, 1.5, -1.5])
def test_an_impossible_choice_adds_nothing_and_no_nan(advantage: float) -> None:
    finite = torch.tensor([[[-1.0, -0.7]]], requires_grad=True)
    impossible = torch.tensor([[[-1.0, -INF]]], requires_grad=True)
    gain, mask = torch.tensor([[advantage]]), torch.ones(1, 1, 2, dtype=torch.bool)
    alone = torch.tensor([[[True, False]]])
    behavior = torch.tensor([[[-1.1, -0.6]]])
    for loss, expected in (
        (reinforce(impossible, gain, mask), reinforce(finite, gain, alone)),
        (
            ppo_clipped(impossible, behavior, gain, mask),
            ppo_clipped(finite, behavior, gain, alone),
        ),
        (
            ppo_clipped(impossible, impossible, gain, mask),
            ppo_clipped(finite, finite, gain, alone),
        ),
    ):
        assert loss.item() == expected.item()
        gradient = torch.autograd.grad(loss, impossible)[0]
        assert torch.equal(gradient, torch.autograd.grad(expected, finite)[0])
        assert gradient[0, 0, 1] == 0


def test_a_choice_the_behavior_could_not_make_adds_nothing_and_no_infinite_ratio() -> None:
    log_prob = torch.tensor([[[-1.0, -0.7]]], requires_grad=True)
    behavior = torch.tensor([[[-1.0, -INF]]])
    loss = ppo_clipped(log_prob, behavior, torch.tensor([[-1.5]]), everything(log_prob))
    assert loss.item() == 1.5
    assert torch.autograd.grad(loss, log_prob)[0].tolist() == [[[1.5, 0.0]]]


def test_a_nan_is_not_hidden() -> None:
    broken = torch.tensor([[[float("nan"), -1.0]]])
    gain, mask = torch.ones(1, 1), everything(broken)
    assert reinforce(broken, gain, mask).isnan()
    assert ppo_clipped(broken, torch.full((1, 1, 2), -1.0), gain, mask).isnan()


def test_no_gradient_flows_into_advantage_and_behavior() -> None:
    log_prob = torch.full((1, 2, 3), -1.0, requires_grad=True)
    behavior = torch.full((1, 2, 3), -1.1, requires_grad=True)
    gain = torch.ones(1, 2, requires_grad=True)
    mask = everything(log_prob)
    (reinforce(log_prob, gain, mask) + ppo_clipped(log_prob, behavior, gain, mask)).backward()
    assert log_prob.grad is not None
    assert gain.grad is None
    assert behavior.grad is None


def test_wrong_shapes_dtypes_and_clips_are_named() -> None:
    log_prob, gain = torch.full((2, 3, 4), -1.0), torch.ones(2, 3)
    mask = everything(log_prob)
    with pytest.raises(ValueError, match=r"reinforce: log_prob must be \[B, G, N\] and not empty"):
        reinforce(log_prob[0], gain, mask)
    with pytest.raises(ValueError, match=r"log_prob must be \[B, G, N\] and not empty, got \[0, 3"):
        reinforce(log_prob[:0], gain[:0], mask[:0])
    with pytest.raises(ValueError, match=r"reinforce: advantage must be \[2, 3\].*got \[2\]"):
        reinforce(log_prob, gain[:, 0], mask)
    with pytest.raises(ValueError, match=r"advantage must be \[2, 3, 4\].*got \[2, 3, 1\]"):
        reinforce(log_prob, gain[..., None], mask)
    with pytest.raises(ValueError, match=r"reinforce: slot_mask must be bool, got torch.float32"):
        reinforce(log_prob, gain, mask.float())
    with pytest.raises(ValueError, match=r"behavior_log_prob must be \[2, 3, 4\].*got \[2, 3\]"):
        ppo_clipped(log_prob, log_prob[..., 0], gain, mask)
    with pytest.raises(ValueError, match=r"ppo_clipped: clip must be > 0, got 0"):
        ppo_clipped(log_prob, log_prob, gain, mask, clip=0)
