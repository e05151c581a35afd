"""Dense features as a model takes them: by training, by rank and by deviation within their set."""

from __future__ import annotations

import torch
from torch import Tensor


def set_features(values: Tensor, mask: Tensor, mean: Tensor, deviation: Tensor) -> Tensor:
    """Describes each value of a real candidate in three ways.

    - (value - mean) / deviation, cut off at 6: the training pages' view.
    - 2 rank - 1, rank = (#below + (#equal - 1) / 2) / (#real - 1): -1 for the least of the set, 1
      for the greatest, ties averaged, 0 for a candidate alone.
    - (value - set mean) / set deviation: the z-score within the set; 0 where the set agrees.

    Args:
        values: [B, M, F] float32 or float64. Padding is not read.
        mask: [B, M] bool. True where the candidate is real.
        mean: [F], dtype of `values`. Holds the means over the training pages.
        deviation: [F], likewise; > 0.

    Returns:
        [B, M, 3F], dtype of `values`: the three side by side. 0 at padding. Not differentiable.

    Raises:
        RuntimeError: A shape or dtype is wrong; the message names it.
    """
    features: Tensor = torch.ops.gerank.set_features(values, mask, mean, deviation)
    return features
