"""Reading attributes of the candidates that stand in the slots of a slate."""

from __future__ import annotations

import torch
from torch import Tensor


def attributes_in_slots(
    attribute: Tensor,  # [B, M, X]
    slate: Tensor,  # [B, N] int64, -1 = empty slot
    empty: int,
) -> Tensor:
    """The attribute of the candidate in each slot, `empty` where there is none: [B, N, X]."""
    assert attribute.dim() == 3 and slate.dim() == 2, (attribute.shape, slate.shape)
    index = slate.clamp(min=0)[:, :, None].expand(-1, -1, attribute.shape[2])
    missing = torch.full_like(attribute[:, :1], empty)
    return torch.where(slate[:, :, None] >= 0, attribute.gather(1, index), missing)
