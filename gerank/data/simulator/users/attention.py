"""A user whose eye is caught by videos, at the cost of what stands beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from gerank.data.simulator.users.independent import IndependentClicks
from gerank.data.simulator.users.page import ShownPages, from_above, from_below
from gerank.data.simulator.users.user import UserKind, check_not_negative
from gerank.data.simulator.world import CONTENT_TYPES

_VIDEO = CONTENT_TYPES.index("video")


@dataclass(frozen=True)
class AttentionUser(IndependentClicks):
    """P(click at n) = e_n sigmoid(z_n), e_n = (n + 1)^-examination; z_n knows both neighbours.

    Attributes:
        base: Logit of an average item alone on the page, once looked at, for an average person.
        examination: How fast slots lose the user's eye.
        video: Gain of a video.
        distraction: Loss per neighbour, above and below, that is a video.
        run: Gain of an item of the same category as the item directly above.
    """

    base: float = -1.3
    examination: float = 0.35
    video: float = 0.6
    distraction: float = 0.5
    run: float = 0.4

    kind: ClassVar[UserKind] = UserKind.ATTENTION
    slots_below: ClassVar[int] = 1

    def __post_init__(self) -> None:
        check_not_negative(self)

    def click_probability(self, page: ShownPages) -> Tensor:
        """See `User`."""
        video = ((page.content_type == _VIDEO) & page.shown).float()
        logits = (
            self.base
            + page.person
            + page.attraction
            + self.video * video
            - self.distraction * (from_above(video) + from_below(video))
            + self.run * page.alike_above(page.category, last=1)
        )
        clicked = page.own(torch.sigmoid(logits) * page.shown)
        return page.examination(self.examination) * clicked
