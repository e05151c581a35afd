"""Masked rank of every feature inside its candidate set."""

from __future__ import annotations

import torch
from torch import Tensor


def set_ranks(features: Tensor, mask: Tensor) -> Tensor:
    """Ranks each feature of a candidate among the real candidates of its request.

    rank = (#below + (#equal - 1) / 2) / (#real - 1): 0 for the least, 1 for the greatest, ties
    averaged, 0.5 for a candidate alone.

    Args:
        features: [B, M, F] float32 or float64.
        mask: [B, M] bool. True where the candidate is real.

    Returns:
        [B, M, F], dtype of `features`. 0 at padding. Not differentiable.

    Raises:
        RuntimeError: A shape or dtype is wrong; the message names it.
    """
    ranks: Tensor = torch.ops.gerank.set_ranks(features, mask)
    return ranks
