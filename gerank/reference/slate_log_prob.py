"""The whole decoding loop along given slates."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gerank.reference.decoder import Request, walk


class SlateLogProb(NamedTuple):
    """What `slate_log_prob` answers.

    Attributes:
        log_prob: [B, G, N]. Holds each choice's log-probability; 0 at pinned and empty slots, -inf
            where a choice is not allowed.
        entropy: [B, G, N]. Holds the entropy of the distribution at each slot, in nats; 0 at pinned
            and empty slots.
    """

    log_prob: Tensor
    entropy: Tensor


def slate_log_prob(
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
    slates: Tensor,  # [B, G, N] int64
    context_window: int,
) -> SlateLogProb:
    """Log-probability of given slates, slot by slot, each slot given those before it.

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
        slates: [B, G, N]. Candidate per slot; -1 = empty.
        context_window: How many slots back count as recent in the local context.

    Returns:
        A `SlateLogProb`; differentiable in candidates, set_vector, weights and attention.
    """
    request = Request(
        candidates, set_vector, mask, weights, attention, flags, groups,
        pins, dedup_keys, spacing, quotas, slots, temperature,
    )  # fmt: skip
    unused_seeds = torch.zeros_like(slots)
    unused_greedy = torch.ones_like(slots, dtype=torch.bool)
    walks = [
        walk(request, context_window, unused_seeds, unused_greedy, index, given)
        for index, given in enumerate(slates.unbind(1))
    ]
    return SlateLogProb(
        torch.stack([each.log_prob for each in walks], dim=1),
        torch.stack([each.entropy for each in walks], dim=1),
    )
