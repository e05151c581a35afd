"""The decoding loop along given slates: what a policy loss differentiates."""

from __future__ import annotations

import torch
from torch import Tensor


def slate_log_prob(
    candidates: Tensor,
    set_vector: Tensor,
    mask: Tensor,
    weights: Tensor,
    attention: Tensor,
    flags: Tensor,
    groups: Tensor,
    pins: Tensor,
    dedup_keys: Tensor,
    spacing: Tensor,
    quotas: Tensor,
    slots: Tensor,
    temperature: Tensor,
    slates: Tensor,
    context_window: int,
) -> tuple[Tensor, Tensor]:
    """Log-probability and entropy of every slot of given slates, each slot given those before.

    The model and the rules are those of `decode_slates`; its slates get its log_prob.

    Args:
        candidates: [B, M, D] float32 or float64.
        set_vector: [B, D].
        mask: [B, M] bool.
        weights: [P].
        attention: [B or 1, C + 3, H].
        flags: [B, M, Q] bool.
        groups: [B, M, K] int64.
        pins: [B, N] int64.
        dedup_keys: [B, M] int64.
        spacing: [B, K, 2] int64.
        quotas: [B, Q, 2] int64.
        slots: [B] int64.
        temperature: [B]. These arguments as in `decode_slates`.
        slates: [B, G, N] int64. Candidates; -1 = the slot was left empty.
        context_window: Slots before the current one that count as recent, >= 0.

    Returns:
        log_prob: [B, G, N]. 0 at pinned and empty slots; -inf, without gradient, where the rules
            forbid the choice.
        entropy: [B, G, N]. Holds the entropy of the slot's distribution, in nats; 0 at pinned and
            empty slots.
        Differentiable, once, in candidates, set_vector, weights and attention.

    Raises:
        RuntimeError: A shape, dtype or value is wrong, or the pins contradict each other; the
            message names it.
    """
    results: tuple[Tensor, Tensor] = torch.ops.gerank.slate_log_prob(
        candidates,
        set_vector,
        mask,
        weights,
        attention,
        flags,
        groups,
        pins,
        dedup_keys,
        spacing,
        quotas,
        slots,
        temperature,
        slates,
        context_window,
    )
    return results
