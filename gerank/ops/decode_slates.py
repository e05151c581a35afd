"""The whole decoding loop in one call: candidate embeddings in, slates out."""

from __future__ import annotations

import torch
from torch import Tensor


def decode_slates(
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
    seeds: Tensor,
    greedy: Tensor,
    num_slates: int,
    context_window: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Generates G slates per request, slot by slot, under the request's rules.

    A pointer network (Vinyals et al., 2015) with a GRU and local context; each slot chooses as
    `pointer_step` does, among the candidates that pins, dedup, quotas and spacing allow. Where they
    allow none, spacing is dropped for that slot, then quotas; still none: the slot stays empty.
    A slate depends on its request and seed alone: not on the batch nor on the number of threads.

    Args:
        candidates: [B, M, D] float32 or float64. Embeddings e_m. M and D at most 512.
        set_vector: [B, D]. Embedding of the set: the GRU's state before the first slot.
        mask: [B, M] bool. True where the candidate is real.
        weights: [P]. Comes from `pack_decoder_weights`.
        attention: [B or 1, C + 3, H]. Rows: W_c for the C = Q + 2K features of the local context
            (Q shares, K seen, K recent), v, bias, scale. 1 or stride 0 = shared by all requests.
        flags: [B, M, Q] bool. Q at most 16.
        groups: [B, M, K] int64. Group of each group key, negative = none. K at most 8.
        pins: [B, N] int64. The candidate of a pinned slot, -1 elsewhere. N at most 128. A pinned
            candidate may be padding: it is never chosen, but rules and local context see it.
        dedup_keys: [B, M] int64. Candidates with one key exclude each other; -1 = no key.
        spacing: [B, K, 2] int64. (window, cap): at most `cap` of a group in any `window`
            consecutive slots; window 0 = no rule.
        quotas: [B, Q, 2] int64. (min, max) of the flag in the slate; min 0, max -1 = no rule.
        slots: [B] int64. Slots asked for, 0..N.
        temperature: [B], > 0.
        seeds: [B] int64.
        greedy: [B] bool. True: argmax; False: sample.
        num_slates: G, >= 1.
        context_window: Slots before the current one that count as recent, >= 0.

    Returns:
        slates: [B, G, N] int64. Candidates; -1 = empty.
        log_prob: [B, G, N]. Holds each choice's log-probability; 0 at pinned and empty slots.
        relaxed: [B, G, N] int64. Rules dropped at a slot: 1 = spacing, 2 = quotas. A minimum above
            what the slots and candidates left can deliver counts as dropped.
        Not differentiable: see `slate_log_prob`.

    Raises:
        RuntimeError: A shape, dtype or value is wrong, or the pins contradict each other; the
            message names it.
    """
    results: tuple[Tensor, Tensor, Tensor] = torch.ops.gerank.decode_slates(
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
        seeds,
        greedy,
        num_slates,
        context_window,
    )
    return results
