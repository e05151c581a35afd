"""What a roll-out tries beside what looks best: two ways with one face."""

from __future__ import annotations

from typing import Any, Protocol

import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.nn.random_network import RandomNetworks
from gerank.rl.random_network import novelty_bonus, predictor_loss

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
        loss = predictor_loss(target, predicted, mask)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        if self._rollouts < _FIRST_ROLLOUTS:
            self._rollouts += 1
            self._typical += (raw.mean().item() - self._typical) / self._rollouts
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
