"""The rank of every feature inside its candidate set."""

from __future__ import annotations

import torch
from torch import Tensor


def set_ranks(
    features: Tensor,  # [B, M, F] float
    mask: Tensor,  # [B, M] bool
) -> Tensor:
    """Rank of each real candidate among the real ones, scaled to 0..1; ties share their mean rank.

    Args:
        features: [B, M, F]. Any finite values; those of padding are ignored.
        mask: [B, M]. True where the candidate is real.

    Returns:
        [B, M, F]. 0 for the smallest value, 1 for the largest; 0.5 where a candidate is alone in
        its set; 0 for padding. Not differentiable.
    """
    assert features.dim() == 3 and mask.shape == features.shape[:2], (features.shape, mask.shape)
    values = features.detach()
    mine, other = values[:, :, None, :], values[:, None, :, :]  # [B, M, 1, F], [B, 1, M, F]
    other_is_real = mask[:, None, :, None]
    less = ((other < mine) & other_is_real).sum(2)  # [B, M, F]
    equal = ((other == mine) & other_is_real).sum(2)  # [B, M, F], itself included
    count = mask.sum(1)[:, None, None]  # [B, 1, 1]
    ranks = (less + 0.5 * (equal - 1)) / (count - 1).clamp(min=1)
    ranks = torch.where(count == 1, 0.5, ranks)
    return torch.where(mask[:, :, None], ranks, 0.0).to(values.dtype)
