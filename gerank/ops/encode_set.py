"""DeepSet encoder of many sets, as it is served."""

from __future__ import annotations

import torch
from torch import Tensor


def encode_set(
    candidates: Tensor, users: Tensor, mask: Tensor, weights: Tensor, width: int
) -> tuple[Tensor, Tensor]:
    """e_i = MLP1([x_i; x_u; P x_i * Q x_u]), e_c = tanh(MLP2(sum_i e_i / sqrt(#real))).

    Source: Zaheer et al., "Deep Sets", 2017. One pass without intermediate tensors; for training
    there is `gerank.nn.encoder.DeepSetEncoder`, which is the same in plain layers.

    Args:
        candidates: [B, M, X] float32 or float64. x_i.
        users: [B, U], dtype of `candidates`. x_u.
        mask: [B, M] bool. True where the candidate is real.
        weights: [P], see `gerank.ops.pack_encoder_weights`.
        width: D; the items' hidden layer has 2D, the set's D.

    Returns:
        e: [B, M, D], 0 at padding; e_c: [B, D].

    Raises:
        RuntimeError: A shape or dtype is wrong, or an argument requires a gradient; the message
            names it.
    """
    encoded: tuple[Tensor, Tensor] = torch.ops.gerank.encode_set(
        candidates, users, mask, weights, width
    )
    return encoded
