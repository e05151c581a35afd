"""From a roll-out to better parameters: baselines and policy losses by their names."""

from __future__ import annotations

import functools
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gerank import rl
from gerank.data.batch import RerankBatch
from gerank.nn.generator import Encoded, Generator
from gerank.train.choices import Baseline, PolicyLoss
from gerank.train.config import GeneratorConfig
from gerank.train.stage import StepMetrics
from gerank.train.table_adam import clip_gradients


class Rollout(NamedTuple):
    """Slates sampled by the policy as it is.

    Attributes:
        batch: The B requests.
        encoded: The same, encoded with gradient.
        slates: [B, G, N] int64.
        advantage: [B, G] of the slates, or [B, G, N] of their slots.
        share: How much the batch counts; less than 1 where it has fewer pages than others.
    """

    batch: RerankBatch
    encoded: Encoded
    slates: Tensor
    advantage: Tensor
    share: float = 1.0


class Loss(Protocol):
    """A policy loss: scalar, from what all of them take."""

    def __call__(
        self, *, log_prob: Tensor, behavior_log_prob: Tensor, advantage: Tensor, slot_mask: Tensor
    ) -> Tensor:
        """Shapes as in `gerank.rl.policy_losses`."""
        ...


def advantage_of(baseline: Baseline, reward: Tensor, reference: Tensor) -> Tensor:
    """[B, G] from rewards [B, G] and the reward [B] of the slate to compare with.

    By slot: [B, G, N] from returns to go [B, G, N] and those [B, N] of the slate to compare with.
    """
    functions = {
        Baseline.EXPOSED_PAGE: rl.exposed_page,
        Baseline.GREEDY_ROLLOUT: rl.greedy_rollout,
        Baseline.LEAVE_ONE_OUT: rl.leave_one_out,
    }
    return functions[baseline](reward, reference)


class PolicyStep:
    """One optimizer step on a roll-out, or with PPO several.

    Attributes:
        steps: How many.
    """

    def __init__(
        self, generator: Generator, optimizer: torch.optim.Optimizer, config: GeneratorConfig
    ) -> None:
        self._model, self._optimizer, self._config = generator, optimizer, config
        self._loss: Loss = rl.reinforce
        self.steps = 1
        if config.policy_loss is PolicyLoss.PPO:
            self._loss = functools.partial(rl.ppo_clipped, clip=config.ppo_clip)
            self.steps = config.ppo_epochs

    def __call__(self, rollout: Rollout) -> StepMetrics:
        """Learns from a roll-out; entropy and gradient norm are of the first step."""
        encoded, behavior, figures = rollout.encoded, None, StepMetrics()
        for step in range(self.steps):
            if step:
                encoded = self._model.encode_batch(rollout.batch)
            log_prob, entropy = self._model.slate_log_prob(encoded, rollout.batch, rollout.slates)
            behavior = log_prob.detach() if behavior is None else behavior
            loss = self._loss(
                log_prob=log_prob,
                behavior_log_prob=behavior,
                advantage=rollout.advantage,
                slot_mask=rollout.slates >= 0,
            )
            mean_entropy = entropy.mean()
            norm = self._descend(rollout.share * (loss - self._config.entropy_bonus * mean_entropy))
            if not step:
                figures = {"entropy": mean_entropy.detach(), "gradient_norm": norm}
        return figures

    def _descend(self, loss: Tensor) -> Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_gradients(self._model.parameters(), self._config.clip_norm)
        self._optimizer.step()
        return norm
