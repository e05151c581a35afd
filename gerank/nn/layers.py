"""Layers that more than one model is built of."""

from __future__ import annotations

import itertools

import torch
from torch import Tensor, nn


class FeatureLinear(nn.Linear):
    """A linear layer of features; where a schema has none, it is its bias, of zeros."""

    def reset_parameters(self) -> None:
        """As torch does it, where there is something to initialise; torch warns of the rest."""
        if self.weight.numel() > 0:
            super().reset_parameters()
        elif self.bias is not None:
            nn.init.zeros_(self.bias)


class HostDropout(nn.Dropout):
    """Dropout that depends neither on the device nor on how many parts a batch comes in.

    Its noise is drawn on the CPU, and for a part of a batch as for the whole one.

    Attributes:
        part: The first row of the part that comes next, and the rows of its whole batch; None = the
            input is a whole batch.
    """

    part: tuple[int, int] | None = None

    def forward(self, input: Tensor) -> Tensor:
        """What `nn.Dropout` makes of [B, ...]."""
        if not self.training or self.p == 0:
            return input
        first, whole = (0, len(input)) if self.part is None else self.part
        everywhere = torch.ones((whole, *input.shape[1:]), dtype=input.dtype)
        noise = nn.functional.dropout(everywhere, self.p)[first : first + len(input)]
        return input * noise.to(input.device, non_blocking=True)


def mlp(*widths: int) -> nn.Sequential:
    """Linear layers of the given widths with ReLU between them, none after the last."""
    layers: list[nn.Module] = []
    for wide, narrow in itertools.pairwise(widths):
        layers += [nn.Linear(wide, narrow), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def zero_linear(inputs: int, outputs: int) -> nn.Linear:
    """A linear layer that answers zeros until it has learnt."""
    layer = nn.Linear(inputs, outputs)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
