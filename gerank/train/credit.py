"""What the choices of a slate are credited with: its utilities weighed, less a price, by slot."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.rl.rewards import weighted_reward
from gerank.rl.slot_credit import at_last_slot, slot_returns
from gerank.train.choices import Credit
from gerank.train.config import GeneratorConfig
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.reward import Reward, SlotReward

SupportPrice = Callable[[np.ndarray, ExposureBatch, Tensor], Tensor]
"""(rows [B] of the log, their pages, slates [B, G, N]) -> price >= 0 [B, G, N] of each choice, in
units of the weighted reward: what it costs to go where the log says nothing."""


def price_of_leaving(feedback: EvaluatorFeedback, price: float) -> SupportPrice:
    """What a slot pays for an item of a strength that the log never showed there.

    Args:
        feedback: Knows the strengths of items, and where the log has data.
        price: What a logit outside of the logged range costs, in units of the weighted reward.
    """
    support = feedback.evaluator.support

    def priced(_rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        distance = support.distance(feedback.strength(exposures, slates))
        paid: Tensor = price * distance * (slates >= 0)
        return paid

    return priced


class SlateCredit:
    """Rewards of slates as the generator's training sees them.

    With credit by slate all that a slate earns and pays stands at its last slot, and nothing is
    discounted, so that every return to go is that of the whole slate.
    """

    def __init__(
        self, reward: Reward, scales: Tensor, config: GeneratorConfig, support: SupportPrice | None
    ) -> None:
        """`scales` [U]: what utilities are divided by before they are weighed."""
        self._reward, self._scales, self._support = reward, scales, support
        self._by_slot = config.credit is Credit.SLOT
        self._discount = config.discount if self._by_slot else 1.0
        self._below: int = getattr(reward, "slots_below", 0)

    @property
    def priced(self) -> bool:
        """Whether leaving the log's support costs anything."""
        return self._support is not None

    def reward(
        self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor, weights: Tensor
    ) -> Tensor:
        """[B, G] R_w: sum_i w_i U_i / scale_i of slates [B, G, N] with weights [B, U]."""
        return weighted_reward(self._reward(rows, exposures, slates), weights / self._scales)

    def by_slot(
        self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor, weights: Tensor
    ) -> Tensor:
        """[B, G, N] the same by slot: its sum over slots is `reward`.

        A reward that is no `SlotReward` is of whole slates: it stands at the last slot.
        """
        if self._by_slot and isinstance(self._reward, SlotReward):
            credit = self._reward.by_slot(rows, exposures, slates)  # [B, G, N, U]
            return weighted_reward(credit, weights / self._scales)
        return at_last_slot(self.reward(rows, exposures, slates, weights), slates.size(-1))

    @torch.no_grad()
    def price(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """[B, G, N] of leaving the log's support; zeros where that costs nothing."""
        if self._support is None:
            return torch.zeros(slates.shape, device=slates.device)
        price = self._support(rows, exposures, slates)
        return price if self._by_slot else at_last_slot(price.sum(-1), slates.size(-1))

    def returns(self, credit: Tensor) -> Tensor:
        """[B, G, N] what the choice of each slot has a part in, of credit [B, G, N]."""
        return slot_returns(credit, self._discount, below=self._below)
