"""One step of a pointer network: score, mask, choose, and tell the choice's log-probability."""

from __future__ import annotations

import torch
from torch import Tensor


def pointer_step(
    keys: Tensor,
    query: Tensor,
    context: Tensor,
    w_context: Tensor,
    v: Tensor,
    mask: Tensor,
    temperature: Tensor,
    seeds: Tensor,
    greedy: Tensor,
    forced: Tensor,
    slot: int,
    slate: int,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Chooses one allowed candidate of every request by additive attention.

    l_m = v . tanh(keys_m + query + W_c c_m), the attention of Vinyals et al., "Pointer Networks"
    (2015), with a term for local context; p = softmax(l / temperature) over the mask. A sample is
    drawn by the Gumbel-max trick (Kool et al., "Stochastic Beams and Where to Find Them", 2019)
    with noise from Philox4x32-10 (Salmon et al., 2011): key = seed, counter =
    (candidate // 4, slot, slate, 0).

    Args:
        keys: [B, M, H] float32 or float64. W_e e_m. M and H at most 512.
        query: [B, H]. What is equal for all candidates.
        context: [B, M, C]. Local-context features.
        w_context: [B or 1, C, H]. Their weights; 1 or stride 0 = shared by all requests.
        v: [B or 1, H]. Weights of the score.
        mask: [B, M] bool. True where the candidate is allowed.
        temperature: [B], > 0.
        seeds: [B] int64.
        greedy: [B] bool. True: the best candidate, ties to the lower index; False: a sample.
        forced: [B] int64. The candidate to take; -1 = choose.
        slot: Slot of the slate, >= 0.
        slate: Index of the slate among its request's, >= 0.

    Returns:
        choice: [B] int64. -1 where nothing is allowed; then the rest is 0.
        log_prob: [B]. Natural log; -inf, without gradient, where `forced` is not allowed.
        entropy: [B]. Is the entropy of p, in nats.
        probs: [B, M]. p, detached.
        Differentiable, once, in keys, query, w_context and v.

    Raises:
        RuntimeError: A shape, dtype or value is wrong; the message names it.
    """
    results: tuple[Tensor, Tensor, Tensor, Tensor] = torch.ops.gerank.pointer_step(
        keys, query, context, w_context, v, mask, temperature, seeds, greedy, forced, slot, slate
    )
    return results
