"""What a roll-out tries beside what looks best: two ways with one face."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.nn.random_network import RandomNetworks
from gerank.rl.random_network import novelty_bonus, predictor_loss
from gerank.train.processes import current
from gerank.train.summed_gradients import sum_gradients

_FIRST_ROLLOUTS = 20


class Explorer(Protocol):
    """Rewards slates for being new. Sampling itself is the roll-out's, by its temperature."""

    def bonus(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """[B, G] to be added to the rewards of sampled slates [B, G, N]; learns from them."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint must hold."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The inverse of `state_dict`."""
        ...


class PlainSampling:
    """Proportional to the policy's probabilities at the configured temperature, and no bonus."""

    def bonus(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """See `Explorer`."""
        return torch.zeros(slates.shape[:2], device=slates.device)

    def state_dict(self) -> dict[str, Any]:
        """See `Explorer`."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Explorer`."""


class RandomNetworkDistillation:
    """Slates that a predictor of a random network knows little of get more.

    The bonus of a slate is the sum over its slots, divided by the mean of the first roll-outs, so
    that `weight` is what an ordinary slate gets at the start, in units of the reward; it fades as
    the predictor learns.
    """

    def __init__(
        self, networks: RandomNetworks, weight: float, learning_rate: float = 1e-3
    ) -> None:
        self.networks, self.weight = networks, weight
        self.optimizer = torch.optim.Adam(networks.predictor.parameters(), lr=learning_rate)
        self._typical = 0.0
        self._rollouts = 0

    def bonus(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """See `Explorer`."""
        mask = slates >= 0
        target, predicted = self.networks(pages, slates)
        raw = novelty_bonus(target, predicted, mask).sum(-1)  # [B, G]
        share, mean = _of_all(raw, mask)
        loss = share * predictor_loss(target, predicted, mask)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        sum_gradients(self.networks.predictor, {})
        self.optimizer.step()
        if self._rollouts < _FIRST_ROLLOUTS:
            self._rollouts += 1
            self._typical += (mean.item() - self._typical) / self._rollouts
        return self.weight * raw / self._typical if self._typical > 0 else torch.zeros_like(raw)

    def state_dict(self) -> dict[str, Any]:
        """See `Explorer`."""
        return {
            "networks": self.networks.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "typical": self._typical,
            "rollouts": self._rollouts,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """See `Explorer`."""
        self.networks.load_state_dict(state["networks"])
        self.optimizer.load_state_dict(state["optimizer"])
        self._typical, self._rollouts = state["typical"], state["rollouts"]


def _of_all(raw: Tensor, mask: Tensor) -> tuple[Tensor | float, Tensor]:
    """What slates are a part of, where several processes sampled together.

    Args:
        raw: [B, G]. Novelty of this process's slates.
        mask: [B, G, N] bool. Their slots that hold a candidate.

    Returns:
        The share of all filled slots that are in these slates, and the mean novelty of all slates.
    """
    processes = current()
    if processes.size == 1:
        return 1.0, raw.mean()
    counted = mask.sum().double(), raw.detach().sum().double(), raw.new_full((), raw.numel())
    slots, novelty, slates = processes.summed(torch.stack(counted))
    filled = torch.zeros_like(slots) if processes.stands_in else counted[0]
    return filled / slots.clamp(min=1.0), novelty / slates
