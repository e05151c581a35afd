"""The flat tensors in which the weights of encoder and decoder travel to the ops."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor


def pack_decoder_weights(
    start: Tensor,
    gru_w_ih: Tensor,
    gru_w_hh: Tensor,
    gru_b_ih: Tensor,
    gru_b_hh: Tensor,
    w_candidate: Tensor,
    w_state: Tensor,
    w_shared: Tensor,
) -> Tensor:
    """Packs in the order of csrc/decode/weights.h; differentiable and scriptable.

    Args:
        start: [D]. First input of the GRU.
        gru_w_ih: [3D, D]. As `torch.nn.GRUCell.weight_ih`: gates r, z, n.
        gru_w_hh: [3D, D]. As `torch.nn.GRUCell.weight_hh`.
        gru_b_ih: [3D].
        gru_b_hh: [3D].
        w_candidate: [H, D]. W_e.
        w_state: [H, D]. W_s.
        w_shared: [H, Q + 1]. W_g: Q shares of flags, then the slot's relative place.

    Returns:
        [P], P = D + 3DD + D(3D + H) + 6D + DH + (Q + 1)H.
    """
    state_t = torch.cat([gru_w_hh, w_state]).t()  # [D, 3D + H]
    parts = [
        start,
        gru_w_ih.t().reshape(-1),
        state_t.reshape(-1),
        gru_b_ih,
        gru_b_hh,
        w_candidate.t().reshape(-1),
        w_shared.t().reshape(-1),
    ]
    return torch.cat(parts)


def pack_encoder_weights(layers: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Packs in the order of csrc/encode/layout.h.

    Args:
        layers: Weight [outputs, inputs] and bias [outputs] of the linear layers of
            `DeepSetEncoder`: candidate side, user side, two of the items' MLP, two of the set's.

    Returns:
        [P], P = (X + 1)D + (U + 1)D + (X + U + D + 1)2D + (2D + 1)D + 2(D + 1)D.
    """
    parts: list[Tensor] = []
    for weight, bias in layers:
        parts += [weight.t().reshape(-1), bias]
    return torch.cat(parts)
