"""Intra-list distance: how far apart the items of a slate lie."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gerank.rl.shapes import check_axes, check_floating, check_mask


def intra_list_distance_by_slot(vectors: Tensor, slot_mask: Tensor) -> Tensor:
    """U = 2 / (|p| (|p| - 1)) sum_{i<j} (1 - cos(x_i, x_j)) / 2, each pair credited to its slot j.

    Zhang and Hurley, "Avoiding monotony: improving the diversity of recommendation lists", RecSys
    2008. The direction of a vector counts and not its length; a vector of zeros has no direction
    and lies half way (cosine 0) from all others.

    Args:
        vectors: [..., N, F]. Describe the item in each slot, standardised per feature.
        slot_mask: [..., N] bool. Slots that hold a candidate.

    Returns:
        [..., N]. 0 where there is no candidate.

    Raises:
        ValueError: Shapes or dtypes.
    """
    check_axes("intra_list_distance", "vectors", vectors, "...NF")
    check_floating("intra_list_distance", "vectors", vectors)
    check_mask("intra_list_distance", "slot_mask", slot_mask, vectors.shape[:-1])
    directions = functional.normalize(vectors, dim=-1)
    distance = (1 - directions @ directions.transpose(-1, -2)) / 2  # [..., N, N]
    size = vectors.shape[-2]
    earlier = torch.ones(size, size, dtype=torch.bool, device=vectors.device).triu(1)
    pair = slot_mask[..., :, None] & slot_mask[..., None, :] & earlier
    pairs = pair.sum(dim=(-2, -1)).clamp(min=1)
    return (distance * pair).sum(dim=-2) / pairs.unsqueeze(-1)
