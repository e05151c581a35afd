"""The whole decoding loop: candidate embeddings in, slates out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gerank.reference.decoder import Request, walk


class DecodedSlates(NamedTuple):
    """What `decode_slates` answers.

    Attributes:
        slates: [B, G, N] int64. Candidate per slot; -1 where the slate has none.
        log_prob: [B, G, N]. Holds each choice's log-probability; 0 at pinned and empty slots.
        relaxed: [B, G, N] int64. Rules dropped at a slot: 1 = spacing, 2 = quotas.
    """

    slates: Tensor
    log_prob: Tensor
    relaxed: Tensor


@torch.no_grad()
def decode_slates(
    candidates: Tensor,  # [B, M, D] float
    set_vector: Tensor,  # [B, D] float
    mask: Tensor,  # [B, M] bool
    weights: Tensor,  # [P] float
    attention: Tensor,  # [B or 1, C + 3, H] float
    flags: Tensor,  # [B, M, Q] bool
    groups: Tensor,  # [B, M, K] int64
    pins: Tensor,  # [B, N] int64
    dedup_keys: Tensor,  # [B, M] int64
    spacing: Tensor,  # [B, K, 2] int64
    quotas: Tensor,  # [B, Q, 2] int64
    slots: Tensor,  # [B] int64
    temperature: Tensor,  # [B] float
    seeds: Tensor,  # [B] int64
    greedy: Tensor,  # [B] bool
    num_slates: int,
    context_window: int,
) -> DecodedSlates:
    """Choose G slates per request, slot by slot, under the rules.

    Args:
        candidates: [B, M, D]. Embeddings e_m.
        set_vector: [B, D]. Embedding e_c of the set: the state before the first slot.
        mask: [B, M]. True where the candidate is real.
        weights: [P]. The decoder's shared weights: see `weights.Weights`.
        attention: [B or 1, C + 3, H]. W_c, v, bias and scale: see `weights.Attention`.
        flags: [B, M, Q]. Boolean attributes.
        groups: [B, M, K]. Group per group key; -1 = none.
        pins: [B, N]. The candidate of a pinned slot, -1 elsewhere.
        dedup_keys: [B, M]. Candidates with one key exclude each other; -1 = no key.
        spacing: [B, K, 2]. (window, cap) per group key; window 0 = no rule.
        quotas: [B, Q, 2]. (min, max) per flag; min 0 and max -1 = no rule.
        slots: [B]. Slots asked for, at most N.
        temperature: [B]. Divides the logits of the distribution.
        seeds: [B]. Seed of each request.
        greedy: [B]. True: the best candidate at every slot; False: a sample.
        num_slates: G.
        context_window: How many slots back count as recent in the local context.

    Returns:
        A `DecodedSlates`. Not differentiable.
    """
    request = Request(
        candidates, set_vector, mask, weights, attention, flags, groups,
        pins, dedup_keys, spacing, quotas, slots, temperature,
    )  # fmt: skip
    walks = [walk(request, context_window, seeds, greedy, slate) for slate in range(num_slates)]
    return DecodedSlates(
        torch.stack([each.slate for each in walks], dim=1),
        torch.stack([each.log_prob for each in walks], dim=1),
        torch.stack([each.relaxed for each in walks], dim=1),
    )
