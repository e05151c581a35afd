"""What a simulated user sees of a page, slot by slot, and what slots have to do with each other."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class ShownPages:
    """Latent columns of what stands in the slots of some pages.

    In an endless feed the last items of the page before stand above the first slot: then every
    column but `person` begins with `above` slots more, and A + N stands where N is said here.

    Attributes:
        attraction: [..., N] float32. Tells in logits how each slot's item attracts this person.
        seller, category, content_type: [..., N] int64. Describe the item in each slot.
        shown: [..., N] bool. False at an empty slot, whose other columns mean nothing.
        person: [..., 1] float32. The person's activity and this page's intent, in logits.
        above: A, slots of the page before in each column; 0 = the page stands alone.
    """

    attraction: Tensor
    seller: Tensor
    category: Tensor
    content_type: Tensor
    shown: Tensor
    person: Tensor
    above: int = 0

    def own(self, column: Tensor) -> Tensor:
        """[..., N] of [..., A + N]: the slots of the page itself."""
        return column[..., self.above :]

    def positions(self) -> Tensor:
        """[A + N] float32. Slot + 1 on the page itself; 1 above it, where it means nothing."""
        slots = self.attraction.shape[-1]
        place = torch.arange(slots, dtype=self.attraction.dtype, device=self.attraction.device)
        return (place + 1 - self.above).clamp(min=1)

    def examination(self, exponent: float) -> Tensor:
        """[N] float32. Probability that each slot is looked at: position^-exponent."""
        return self.own(self.positions()) ** -exponent

    def alike_above(self, group: Tensor, first: int = 1, last: int | None = None) -> Tensor:
        """How many of the items above a slot are of its group.

        Args:
            group: [..., A + N] int64. One of the columns.
            first: Slots above at which counting begins, >= 1.
            last: Slots above at which it ends, inclusive; None = never.

        Returns:
            [..., A + N] int64.
        """
        slots = group.shape[-1]
        count = torch.zeros_like(group)
        for lag in range(first, slots if last is None else min(last + 1, slots)):
            both = self.shown[..., lag:] & self.shown[..., :-lag]
            count[..., lag:] += (group[..., lag:] == group[..., :-lag]) & both
        return count

    def lead_over_above(self) -> Tensor:
        """[..., A + N] float32. Attraction minus that of the item directly above; 0 without one."""
        lead = torch.zeros_like(self.attraction)
        both = self.shown[..., 1:] & self.shown[..., :-1]
        lead[..., 1:] = (self.attraction[..., 1:] - self.attraction[..., :-1]) * both
        return lead


def from_above(column: Tensor) -> Tensor:
    """[..., N]. What stands one slot above in a column; 0 for the first."""
    moved = torch.zeros_like(column)
    moved[..., 1:] = column[..., :-1]
    return moved


def from_below(column: Tensor) -> Tensor:
    """[..., N]. What stands one slot below in a column; 0 for the last."""
    moved = torch.zeros_like(column)
    moved[..., :-1] = column[..., 1:]
    return moved
