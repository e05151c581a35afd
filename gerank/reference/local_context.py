"""What a candidate has in common with the candidates placed before it."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.reference.placement import attributes_in_slots


def flag_shares(
    flags: Tensor,  # [B, M, Q] bool
    prefix: Tensor,  # [B, n] int64, -1 = empty slot
) -> Tensor:
    """Share of the prefix that has each flag, 0 for an empty prefix: [B, Q] float64."""
    placed = (prefix >= 0).sum(1, keepdim=True)  # [B, 1]
    flagged = attributes_in_slots(flags.long(), prefix, empty=0).sum(1)  # [B, Q]
    return flagged.double() / placed.clamp(min=1)


def local_context(
    flags: Tensor,  # [B, M, Q] bool
    groups: Tensor,  # [B, M, K] int64, -1 = no group
    prefix: Tensor,  # [B, n] int64, -1 = empty slot
    window: int,
) -> Tensor:
    """Features of every (prefix, candidate) at slot n.

    Args:
        flags: [B, M, Q]. Boolean attributes.
        groups: [B, M, K]. Group of each candidate per group key.
        prefix: [B, n]. The candidates in slots 0..n-1.
        window: How many slots back count as recent.

    Returns:
        [B, M, Q + 2K] float64: per flag, its share of the prefix where the candidate has it; per
        group key, 1 where the candidate's group is in the prefix; per group key, 1 where it is in
        the last `window` slots of the prefix.
    """
    shares = flags * flag_shares(flags, prefix)[:, None]  # [B, M, Q]
    placed_groups = attributes_in_slots(groups, prefix, empty=-1)  # [B, n, K]
    same = groups[:, :, None] == placed_groups[:, None]  # [B, M, n, K]
    same &= groups[:, :, None] >= 0
    recent = same[:, :, max(0, prefix.shape[1] - window) :]
    return torch.cat([shares, same.any(2).double(), recent.any(2).double()], dim=2)
