"""DeepSet encoder, its weights read out of the packed tensor one layer after another."""

from __future__ import annotations

import torch
from torch import Tensor


def encode_set(
    candidates: Tensor,  # [B, M, X] float
    users: Tensor,  # [B, U]
    mask: Tensor,  # [B, M] bool
    weights: Tensor,  # [P]
    width: int,  # D
) -> tuple[Tensor, Tensor]:
    """e_i = MLP1([x_i; x_u; P x_i * Q x_u]), e_c = tanh(MLP2(sum_i e_i / sqrt(#real))).

    Args:
        candidates: [B, M, X]. Padding is ignored.
        users: [B, U].
        mask: [B, M]. True where the candidate is real.
        weights: [P]. Per layer a matrix [inputs, outputs], row-major, and a bias.
        width: D.

    Returns:
        e: [B, M, D], 0 at padding; e_c: [B, D].
    """
    x, u, d = candidates.size(2), users.size(1), width
    at = 0

    def layer(vectors: Tensor, inputs: int, outputs: int) -> Tensor:
        nonlocal at
        end = at + inputs * outputs
        matrix, bias = weights[at:end].view(inputs, outputs), weights[end : end + outputs]
        at = end + outputs
        return vectors @ matrix + bias

    affinity = layer(candidates, x, d) * layer(users, u, d)[:, None, :]
    tiled = users[:, None, :].expand(-1, candidates.size(1), -1)
    hidden = layer(torch.cat([candidates, tiled, affinity], dim=2), x + u + d, 2 * d).relu()
    items = torch.where(mask[:, :, None], layer(hidden, 2 * d, d), 0.0)
    count = mask.sum(1, keepdim=True).clamp(min=1)
    whole = items.sum(1) / count.to(items.dtype).sqrt()
    set_vector = layer(layer(whole, d, d).relu(), d, d).tanh()
    assert at == len(weights), (at, len(weights))
    return items, set_vector
