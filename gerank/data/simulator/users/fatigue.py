"""A user who tires of sellers and categories, and to whom neighbours look better or worse."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gerank.data.simulator.users.independent import IndependentClicks
from gerank.data.simulator.users.page import ShownPages
from gerank.data.simulator.users.user import UserKind, check_not_negative


@dataclass(frozen=True)
class FatigueUser(IndependentClicks):
    """P(click at n) = sigmoid(z_n), where position and page effects are added in z_n, in logits.

    Attributes:
        base: Logit of an average item alone in the first slot, for an average person.
        position: Loss per natural logarithm of the position (slot + 1).
        seller_fatigue: Loss per earlier item of the same seller anywhere on the page.
        category_fatigue: Loss per item of the same category in the last `category_window` slots.
        category_window: Slots a category is remembered for.
        contrast: Loss beside a far more attractive neighbour, and gain beside a far weaker one.
    """

    base: float = -2.9
    position: float = 0.25
    seller_fatigue: float = 0.9
    category_fatigue: float = 0.35
    category_window: int = 3
    contrast: float = 0.15

    kind: ClassVar[UserKind] = UserKind.FATIGUE
    slots_below: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_not_negative(self)

    def click_probability(self, page: ShownPages) -> Tensor:
        """See `User`."""
        return page.own(torch.sigmoid(self._logits(page)) * page.shown)

    def _logits(self, page: ShownPages) -> Tensor:
        """[..., A + N], summed lag by lag; without meaning at empty slots and above the page."""
        attraction, shown = page.attraction, page.shown
        logits = attraction + page.person + self.base - self.position * page.positions().log()
        for lag in range(1, attraction.shape[-1]):
            both = shown[..., lag:] & shown[..., :-lag]
            tired = self.seller_fatigue * (_alike(page.seller, lag) & both)
            if lag <= self.category_window:
                tired = tired + self.category_fatigue * (_alike(page.category, lag) & both)
            logits[..., lag:] -= tired
        lead = torch.tanh(page.lead_over_above())[..., 1:]
        logits[..., 1:] += self.contrast * lead
        logits[..., :-1] -= self.contrast * lead
        return logits


def _alike(group: Tensor, lag: int) -> Tensor:
    """[..., N - lag] bool. Whether slots `lag` apart hold one group."""
    return group[..., lag:] == group[..., :-lag]
