"""Every dense value by the training pages, by its rank and by its z-score within the set."""

from __future__ import annotations

import torch
from torch import Tensor


def set_features(
    values: Tensor,  # [B, M, F] float
    mask: Tensor,  # [B, M] bool
    mean: Tensor,  # [F]
    deviation: Tensor,  # [F]
) -> Tensor:
    """What each candidate's values are to the training pages and within its own set.

    Args:
        values: [B, M, F]. Any finite values; padding is ignored.
        mask: [B, M]. True where the candidate is real.
        mean: [F]. Holds the means over the training pages.
        deviation: [F]. Likewise.

    Returns:
        [B, M, 3F]: standardised values within -6..6, ranks in -1..1, z-scores. 0 for padding. Not
        differentiable.
    """
    assert values.dim() == 3 and mask.shape == values.shape[:2], (values.shape, mask.shape)
    values = values.detach()
    standardised = ((values - mean) / deviation).clamp(-6, 6)
    parts = [standardised, 2 * _ranks(values, mask) - 1, _zscores(values, mask)]
    return torch.where(mask[:, :, None], torch.cat(parts, dim=2), 0.0).to(values.dtype)


def _ranks(values: Tensor, mask: Tensor) -> Tensor:
    """[B, M, F]: 0 for the set's smallest, 1 for its largest, 0.5 for one alone; ties share."""
    mine, other = values[:, :, None, :], values[:, None, :, :]  # [B, M, 1, F], [B, 1, M, F]
    other_is_real = mask[:, None, :, None]
    less = ((other < mine) & other_is_real).sum(2)  # [B, M, F]
    equal = ((other == mine) & other_is_real).sum(2)  # [B, M, F], itself included
    count = mask.sum(1)[:, None, None]  # [B, 1, 1]
    ranks = (less + 0.5 * (equal - 1)) / (count - 1).clamp(min=1)
    return torch.where(count == 1, 0.5, ranks)


def _zscores(values: Tensor, mask: Tensor) -> Tensor:
    """[B, M, F]: 0 where the set agrees."""
    real = mask[:, :, None]
    kept = torch.where(real, values.clamp(-1e17, 1e17), 0.0)  # squares would overflow
    count = real.sum(1, keepdim=True).clamp(min=1)
    mean = kept.sum(1, keepdim=True) / count
    centred = torch.where(real, kept - mean, 0.0)
    deviation = (centred.square().sum(1, keepdim=True) / count).sqrt()
    agrees = deviation < 1e-6 * (mean.abs() + 1e-6)
    return torch.where(agrees, 0.0, centred / (deviation + 1e-12))
