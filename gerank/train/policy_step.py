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
from gerank.train.summed_gradients import sum_gradients
from gerank.train.table_adam import clip_gradients


class Rollout(NamedTuple):
    """Slates sampled by the policy as it is.

    Attributes:
        batches: The B requests, in the parts that gradients are computed in.
        encoded: The requests of a single part, encoded with gradient; several parts are encoded
            anew, each as it learns.
        slates: [B, G, N] int64.
        advantage: [B, G] of the slates, or [B, G, N] of their slots.
        share: How much the batch counts; less than 1 where it has fewer pages than others, and 0
            where they stand in for none.
        weight: Its share of the pages that all processes sampled for in this step.
        figures: Scalars: means over its pages.
    """

    batches: list[RerankBatch]
    encoded: Encoded
    slates: Tensor
    advantage: Tensor
    share: float
    weight: float
    figures: dict[str, Tensor]


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
        """Learns from a roll-out of this process's pages, together with those of the others.

        Returns:
            The figures over the pages of all processes; entropy and gradient norm of the first
            step as well.
        """
        sizes = [len(batch.seeds) for batch in rollout.batches]
        slates_of, gains_of = (torch.split(x, sizes) for x in (rollout.slates, rollout.advantage))
        parts = list(zip(rollout.batches, slates_of, gains_of, strict=True))
        if not rollout.weight:
            parts = []
        behavior: list[Tensor | None] = [None] * len(parts)
        told = StepMetrics()
        for step in range(self.steps):
            self._optimizer.zero_grad(set_to_none=True)
            entropy = torch.zeros((), device=rollout.slates.device)
            for place, (batch, slates, advantage) in enumerate(parts):
                encoded = rollout.encoded if not step and len(parts) == 1 else None
                loss, part_entropy, behavior[place] = self._lose(
                    batch, slates, advantage, encoded, behavior[place]
                )
                share = len(slates) / len(rollout.slates)
                (share * rollout.share * loss).backward()  # type: ignore[no-untyped-call]
                entropy = entropy + share * part_entropy
            own = rollout.figures | {"entropy": entropy}
            weighed = {name: rollout.weight * value for name, value in own.items()}
            summed = sum_gradients(self._model, weighed)
            norm = clip_gradients(self._model.parameters(), self._config.clip_norm)
            self._optimizer.step()
            told = told or {**summed, "gradient_norm": norm}
        return told

    def _lose(
        self,
        batch: RerankBatch,
        slates: Tensor,
        advantage: Tensor,
        encoded: Encoded | None,
        behavior: Tensor | None,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The mean loss of requests, their mean entropy, and what the slates were drawn from.

        Args:
            batch: The requests.
            slates: [B, G, N].
            advantage: [B, G] or [B, G, N].
            encoded: The same requests, with gradient; None = they are encoded anew.
            behavior: [B, G, N] log-probabilities of the first step; None = this is the first one.
        """
        encoded = self._model.encode_batch(batch) if encoded is None else encoded
        log_prob, entropy = self._model.slate_log_prob(encoded, batch, slates)
        behavior = log_prob.detach() if behavior is None else behavior
        loss = self._loss(
            log_prob=log_prob,
            behavior_log_prob=behavior,
            advantage=advantage,
            slot_mask=slates >= 0,
        )
        mean_entropy = entropy.mean()
        loss = loss - self._config.entropy_bonus * mean_entropy
        return loss, mean_entropy.detach(), behavior
