"""A user who likes more of the same: repetition is worth clicks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gerank.data.simulator.users.independent import IndependentClicks
from gerank.data.simulator.users.page import ShownPages, from_below
from gerank.data.simulator.users.user import UserKind, check_not_negative


@dataclass(frozen=True)
class RepeatSeekingUser(IndependentClicks):
    """P(click at n) = e_n sigmoid(z_n), e_n = (n + 1)^-examination; z_n grows with repetition.

    Attributes:
        base: Logit of an average item alone on the page, once looked at, for an average person.
        examination: How fast slots lose the user's eye.
        seller_run: Gain of an item of the same seller as the item directly above.
        seller_again: Gain of an item whose seller stands further above, once or more.
        category_run: Gain of an item of the same category as the item directly above.
        category_ahead: Gain of an item of the same category as the item directly below.
    """

    base: float = -1.45
    examination: float = 0.35
    seller_run: float = 0.5
    seller_again: float = 0.25
    category_run: float = 0.3
    category_ahead: float = 0.25

    kind: ClassVar[UserKind] = UserKind.REPEAT_SEEKING
    slots_below: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_not_negative(self)

    def click_probability(self, page: ShownPages) -> Tensor:
        """See `User`."""
        category = page.alike_above(page.category, last=1)
        logits = (
            self.base
            + page.person
            + page.attraction
            + self.seller_run * page.alike_above(page.seller, last=1)
            + self.seller_again * (page.alike_above(page.seller, first=2) > 0)
            + self.category_run * category
            + self.category_ahead * from_below(category)
        )
        clicked = page.own(torch.sigmoid(logits) * page.shown)
        return page.examination(self.examination) * clicked
