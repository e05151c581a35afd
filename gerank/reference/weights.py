"""How the decoder's parameters travel: two packed tensors, and the matrices inside them."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Weights(NamedTuple):
    """The decoder's shared weights, in the order in which they are packed, row-major.

    Attributes:
        start: [D]. First input of the GRU.
        w_ih_t: [D, 3D]. Gates r, z, n, as in `torch.nn.GRUCell`, transposed.
        w_hs_t: [D, 3D + H]. W_hh and W_s side by side, transposed.
        b_ih: [3D].
        b_hh: [3D].
        w_e_t: [D, H].
        w_g_t: [Q + 1, H]. Weighs the flags' shares in the prefix and the slot's relative place.
    """

    start: Tensor
    w_ih_t: Tensor
    w_hs_t: Tensor
    b_ih: Tensor
    b_hh: Tensor
    w_e_t: Tensor
    w_g_t: Tensor


class Attention(NamedTuple):
    """The attention's parameters: of each request (leading B) or of all (leading 1).

    Attributes:
        w_context: [B or 1, C, H].
        v: [B or 1, H].
        bias: [B or 1, H].
        scale: [B or 1, H]. Multiplies W_s h_n.
    """

    w_context: Tensor
    v: Tensor
    bias: Tensor
    scale: Tensor


def unpack_weights(
    weights: Tensor,  # [P]
    width: int,
    attention_width: int,
    flags: int,
) -> Weights:
    """Cut the flat tensor into its matrices; D, H and Q tell where."""
    d, h = width, attention_width
    shapes = [(d,), (d, 3 * d), (d, 3 * d + h), (3 * d,), (3 * d,), (d, h), (flags + 1, h)]
    sizes = [torch.Size(shape).numel() for shape in shapes]
    assert weights.shape == (sum(sizes),), (weights.shape, sum(sizes))
    parts = torch.split(weights, sizes)
    return Weights(*(part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)))


def unpack_attention(
    attention: Tensor,  # [B or 1, C + 3, H]
) -> Attention:
    """Rows 0..C-1 are W_c, then v, bias and scale."""
    context = attention.shape[1] - 3
    return Attention(
        attention[:, :context],
        attention[:, context],
        attention[:, context + 1],
        attention[:, context + 2],
    )
