"""Where the log has data: which item strengths stood at which slot."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

_LOWEST, _HIGHEST = 0.01, 0.99


@dataclass(frozen=True)
class Support:
    """Range of the logged item strength at every slot.

    Attributes:
        low, high: [N]. The 1 and 99 % quantiles of the strengths logged at each slot.
    """

    low: Tensor
    high: Tensor

    @classmethod
    def of(cls, strength: Tensor, mask: Tensor) -> Support:
        """Takes the ranges of exposed pages: strengths and mask of filled slots, each [E, N].

        A slot that no page shows has an empty range around the slot above: all is outside of it.
        """
        ends: list[tuple[float, float]] = []
        for slot in range(strength.size(1)):
            logged = strength[:, slot][mask[:, slot]]
            if len(logged):
                quantiles = torch.quantile(
                    logged.double(), torch.tensor([_LOWEST, _HIGHEST]).double()
                )
                ends.append((quantiles[0].item(), quantiles[1].item()))
            else:
                middle = sum(ends[-1]) / 2 if ends else 0.0
                ends.append((middle, middle))
        low, high = torch.tensor(ends, dtype=torch.float32).unbind(1)
        return cls(low, high)

    def distance(self, strength: Tensor) -> Tensor:
        """How far outside a strength lies, in logits: [..., N] >= 0 of strengths [..., N]."""
        low, high = (end[: strength.size(-1)].to(strength.device) for end in (self.low, self.high))
        return torch.relu(low - strength) + torch.relu(strength - high)

    def outside(self, strength: Tensor, mask: Tensor) -> float:
        """Share of the filled slots outside of the logged ranges; strength and mask [..., N]."""
        away = (self.distance(strength) > 0) & mask
        return away.sum().item() / max(1, int(mask.sum()))
