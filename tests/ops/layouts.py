"""The same numbers at other strides."""

from __future__ import annotations

import torch
from torch import Tensor


def strided(value: Tensor | int) -> Tensor | int:
    """An equal tensor whose elements lie apart, between wrong ones, with its first axes swapped."""
    if not isinstance(value, Tensor):
        return value
    swapped = value.transpose(0, -1).contiguous()  # axes in another order
    wrong = torch.ones_like(swapped) if value.dtype == torch.bool else swapped + 1
    apart = torch.stack([swapped, wrong], dim=-1)[..., 0].transpose(0, -1)
    assert torch.equal(apart, value)
    return apart
