"""A user who looks at fewer and fewer slots, and clicks what attracts in its context."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gerank.data.simulator.users.independent import IndependentClicks
from gerank.data.simulator.users.page import ShownPages
from gerank.data.simulator.users.user import UserKind, check_not_negative


@dataclass(frozen=True)
class ExaminationUser(IndependentClicks):
    """P(click at n) = e_n sigmoid(z_n), e_n = (n + 1)^-examination (the examination hypothesis).

    Craswell et al., An Experimental Comparison of Click Position-Bias Models, WSDM 2008.

    Attributes:
        base: Logit of an average item alone on the page, once looked at, for an average person.
        examination: How fast slots lose the user's eye.
        seller_fatigue: Loss per earlier item of the same seller anywhere on the page.
        category_fatigue: Loss per item of the same category in the last `category_window` slots.
        category_window: Slots a category is remembered for.
        contrast: Gain below a far weaker item, and loss below a far more attractive one.
    """

    base: float = -1.0
    examination: float = 0.35
    seller_fatigue: float = 0.5
    category_fatigue: float = 0.25
    category_window: int = 3
    contrast: float = 0.3

    kind: ClassVar[UserKind] = UserKind.EXAMINATION
    slots_below: ClassVar[int] = 0

    def __post_init__(self) -> None:
        check_not_negative(self)

    def click_probability(self, page: ShownPages) -> Tensor:
        """See `User`."""
        logits = (
            self.base
            + page.person
            + page.attraction
            - self.seller_fatigue * page.alike_above(page.seller)
            - self.category_fatigue * page.alike_above(page.category, last=self.category_window)
            + self.contrast * torch.tanh(page.lead_over_above())
        )
        clicked = page.own(torch.sigmoid(logits) * page.shown)
        return page.examination(self.examination) * clicked
