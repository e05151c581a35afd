"""Dropout that does not depend on how many parts a batch comes in."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class BatchDropout(nn.Dropout):
    """Drops of a part of a batch what `nn.Dropout` would have dropped of it in the whole batch.

    Attributes:
        part: Of a part: its first row, and the rows of the whole batch; None = it is the batch.
    """

    part: tuple[int, int] | None = None

    def forward(self, values: Tensor) -> Tensor:
        """[B, ...] -> [B, ...]; it draws for all rows of the batch, in training alone."""
        if self.part is None or not self.training or self.p == 0:
            return super().forward(values)
        first, whole = self.part
        kept = torch.empty((whole, *values.shape[1:]), dtype=values.dtype, device=values.device)
        kept = kept.bernoulli_(1 - self.p).div_(1 - self.p)
        return values * kept[first : first + len(values)]
