"""A user who reads from the top and leaves: clicks depend on each other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from gerank.data.simulator.users.page import ShownPages
from gerank.data.simulator.users.user import UserKind, check_not_negative


@dataclass(frozen=True)
class CascadeUser:
    """Reads item after item, clicks with sigmoid(z_n) what is read, and may leave after each.

    The first item is read. After item n, the next one is read with its slot's patience, times
    1 - leave_after_click if n was clicked. Empty slots are passed over and cost no patience.
    A dependent click model (Guo et al., WSDM 2009) with the patience of a dynamic Bayesian network
    (Chapelle and Zhang, WWW 2009).

    Attributes:
        base: Logit of an average item, once read, for an average person.
        seller_fatigue: Loss per earlier item of the same seller anywhere on the page.
        patience: Probability of reading on to slot 1; falls linearly to `last_patience`.
        last_patience: Probability of reading on to the last slot.
        leave_after_click: Probability that a click ends the visit.
    """

    base: float = -0.5
    seller_fatigue: float = 0.3
    patience: float = 0.95
    last_patience: float = 0.75
    leave_after_click: float = 0.5

    kind: ClassVar[UserKind] = UserKind.CASCADE
    slots_below: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_not_negative(self)
        for name in ("patience", "last_patience", "leave_after_click"):
            if getattr(self, name) > 1:
                raise ValueError(f"{name} is {getattr(self, name)}, not <= 1")

    def click_probability(self, page: ShownPages) -> Tensor:
        """See `User`: r_n sigmoid(z_n), where r_n is the probability that n is read."""
        slots = []
        reads: Tensor | float = 1.0
        stays: Tensor | float = 1.0  # after the last item: 1 - its chance of a click that ends all
        for shown, going, wish in self._items(page):
            reads = reads * torch.where(shown, going * stays, 1.0)
            stays = torch.where(shown, 1 - self.leave_after_click * wish, stays)
            slots.append(reads * wish)
        return torch.stack(slots, dim=-1)

    def any_click(self, page: ShownPages) -> Tensor:
        """See `User`: one minus the chance of reading to where the user leaves without a click."""
        clicked: Tensor | float = 0.0
        unclicked: Tensor | float = 1.0  # n is reached, and nothing before it was clicked
        for shown, going, wish in self._items(page):
            unclicked = unclicked * torch.where(shown, going, 1.0)
            clicked = clicked + unclicked * wish
            unclicked = unclicked * (1 - wish)
        return torch.as_tensor(clicked)

    def sample_clicks(self, generator: np.random.Generator, page: ShownPages) -> Tensor:
        """See `User`."""
        shape = page.own(page.shown).shape
        patience, temptation = (torch.from_numpy(generator.random(shape)) for _ in range(2))
        reads = torch.ones(shape[:-1], dtype=torch.bool)
        stays = torch.ones(shape[:-1])
        slots = []
        for slot, (shown, going, wish) in enumerate(self._items(page)):
            reads = reads & (~shown | (patience[..., slot] < going * stays))
            clicked = reads & (temptation[..., slot] < wish)  # the wish for an empty slot is 0
            stays = torch.where(shown, 1 - self.leave_after_click * clicked, stays)
            slots.append(clicked)
        return torch.stack(slots, dim=-1)

    def _items(self, page: ShownPages) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """Slot by slot, each [...]: is it shown, chance of going on to it, of a click once read."""
        fatigue = self.seller_fatigue * page.alike_above(page.seller)
        logits = self.base + page.person + page.attraction - fatigue
        wish = page.own(torch.sigmoid(logits) * page.shown)
        shown = page.own(page.shown)
        first = shown & (shown.cumsum(dim=-1) == 1)
        going = torch.where(first, 1.0, self._patience(shown.shape[-1]).to(wish.device))
        for slot in range(shown.shape[-1]):
            yield shown[..., slot], going[..., slot], wish[..., slot]

    def _patience(self, slots: int) -> Tensor:
        """Returns the chance [N] float32 of reading on to each slot; slot 0 needs none."""
        needed = torch.linspace(self.patience, self.last_patience, max(slots - 1, 1))
        return torch.cat([torch.ones(1), needed])[:slots]
