"""Random sets with random encoders, for the tests of encode_set."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class EncoderCase(NamedTuple):
    """The arguments of encode_set."""

    candidates: Tensor
    users: Tensor
    mask: Tensor
    weights: Tensor
    width: int


def random_set(
    seed: int, shape: tuple[int, int, int, int], width: int, dtype: torch.dtype = torch.float32
) -> EncoderCase:
    """`shape` is B, M, X, U; weights of the size that layers start with."""
    source = torch.Generator().manual_seed(seed)
    batch, candidates, x, u = shape
    sizes = [(x, width), (u, width), (x + u + width, 2 * width), (2 * width, width)]
    sizes += [(width, width), (width, width)]
    layers = [
        (torch.rand((inputs + 1) * outputs, generator=source) * 2 - 1) / max(inputs, 1) ** 0.5
        for inputs, outputs in sizes
    ]
    density = torch.rand((batch, 1), generator=source) * 1.5
    return EncoderCase(
        torch.randn(batch, candidates, x, generator=source).to(dtype),
        torch.randn(batch, u, generator=source).to(dtype),
        torch.rand((batch, candidates), generator=source) < density,
        torch.cat(layers).to(dtype),
        width,
    )
