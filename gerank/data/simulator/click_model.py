"""The truth of the simulator: how likely each slot of a page is clicked."""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor


@dataclass(frozen=True)
class ClickStrengths:
    """Weights of the click model, all in logits.

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

    def __post_init__(self) -> None:
        for field in fields(self)[1:]:
            if getattr(self, field.name) < 0:
                raise ValueError(f"{field.name} is {getattr(self, field.name)}, not >= 0")


def click_logits(
    attraction: Tensor,
    seller: Tensor,
    category: Tensor,
    shown: Tensor,
    person: Tensor,
    strengths: ClickStrengths,
) -> Tensor:
    """Logit of a click at every slot, independent of each other given the page.

    Args:
        attraction: [..., N] float. Of the item in each slot, for this person.
        seller: [..., N] int64. Of the item in each slot.
        category: [..., N] int64. Of the item in each slot.
        shown: [..., N] bool. False at an empty slot, which tires and outshines nobody.
        person: [..., 1] float. The person's activity and this page's intent.
        strengths: Weights of the effects.

    Returns:
        [..., N] float; without meaning at empty slots.
    """
    slots = attraction.shape[-1]
    position = torch.arange(1, slots + 1, dtype=attraction.dtype, device=attraction.device)
    logits = attraction + person + strengths.base - strengths.position * position.log()
    for lag in range(1, slots):
        both = shown[..., lag:] & shown[..., :-lag]
        tired = strengths.seller_fatigue * ((seller[..., lag:] == seller[..., :-lag]) & both)
        if lag <= strengths.category_window:
            same = (category[..., lag:] == category[..., :-lag]) & both
            tired = tired + strengths.category_fatigue * same
        logits[..., lag:] -= tired
    if slots > 1:
        both = shown[..., 1:] & shown[..., :-1]
        lead = torch.tanh(attraction[..., 1:] - attraction[..., :-1]) * both
        logits[..., 1:] += strengths.contrast * lead
        logits[..., :-1] -= strengths.contrast * lead
    return logits
