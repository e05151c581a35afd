"""One decoding step: score the candidates, choose one, tell its log-probability."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gerank.reference.philox import uniforms


class PointerStep(NamedTuple):
    """What one step answers.

    Attributes:
        choice: [B] int64. The candidate; -1 where nothing is allowed.
        log_prob: [B]. Holds the choice's log-probability; 0 where nothing is allowed.
        entropy: [B]. Holds the distribution's entropy, in nats; 0 where nothing is allowed.
        probs: [B, M]. The distribution, without gradient; 0 where nothing is allowed.
    """

    choice: Tensor
    log_prob: Tensor
    entropy: Tensor
    probs: Tensor


def pointer_step(
    keys: Tensor,  # [B, M, H] float
    query: Tensor,  # [B, H] float
    context: Tensor,  # [B, M, C] float
    w_context: Tensor,  # [B or 1, C, H] float
    v: Tensor,  # [B or 1, H] float
    mask: Tensor,  # [B, M] bool
    temperature: Tensor,  # [B] float, > 0
    seeds: Tensor,  # [B] int64
    greedy: Tensor,  # [B] bool
    forced: Tensor,  # [B] int64
    slot: int,
    slate: int,
) -> PointerStep:
    """Choose one of the allowed candidates of every request.

    Args:
        keys: [B, M, H]. W_e e_m.
        query: [B, H]. What is equal for all candidates.
        context: [B, M, C]. Local-context features.
        w_context: [B or 1, C, H]. Their weights.
        v: [B or 1, H]. Weights of the score.
        mask: [B, M]. True where a candidate is allowed.
        temperature: [B]. Divides the logits of the distribution.
        seeds: [B]. Seed of each request.
        greedy: [B]. True: the best candidate; False: a sample.
        forced: [B]. A candidate whose log-probability is wanted, or -1 to choose. A forced
            candidate that is not allowed has log_prob -inf, without gradient.
        slot: Slot of the slate: counter of the random generator.
        slate: Index of the slate among the G of its request: counter too.

    Returns:
        A `PointerStep`; differentiable in keys, query, w_context and v.
    """
    batch, candidates, _ = keys.shape
    assert mask.shape == (batch, candidates), mask.shape
    logits = attention_logits(keys, query, context, w_context, v)  # [B, M]
    scaled = logits / temperature[:, None]
    log_probs = masked_log_softmax(scaled, mask)  # [B, M]

    noise = -torch.log(-torch.log(uniforms(seeds, candidates, slot, slate)))
    scores = torch.where(greedy[:, None], logits.double(), scaled.double() + noise)
    best = scores.masked_fill(~mask, -torch.inf).argmax(1)  # first of equals
    best = torch.where(mask.any(1), best, -1)
    choice = torch.where(forced >= 0, forced, best)

    index = choice.clamp(min=0)[:, None]
    chosen_is_allowed = mask.gather(1, index)[:, 0]
    impossible = torch.where(choice < 0, 0.0, -torch.inf).to(keys.dtype)
    log_prob = torch.where(
        chosen_is_allowed & (choice >= 0), log_probs.gather(1, index)[:, 0], impossible
    )
    probs = log_probs.exp().masked_fill(~mask, 0.0)
    entropy = -(probs * log_probs.masked_fill(~mask, 0.0)).sum(1)
    return PointerStep(choice, log_prob, entropy, probs.detach())


def attention_logits(
    keys: Tensor,  # [B, M, H]
    query: Tensor,  # [B, H]
    context: Tensor,  # [B, M, C]
    w_context: Tensor,  # [B or 1, C, H]
    v: Tensor,  # [B or 1, H]
) -> Tensor:
    """Additive attention with local context: l_m = v . tanh(keys_m + query + W_c c_m), [B, M]."""
    hidden = torch.tanh(keys + query[:, None] + context @ w_context)  # [B, M, H]
    return (hidden * v[:, None]).sum(2)


def masked_log_softmax(
    scaled: Tensor,  # [B, M]
    mask: Tensor,  # [B, M] bool
) -> Tensor:
    """Log-softmax over the allowed candidates, [B, M]; finite, but moot, in a row without any."""
    nothing = ~mask.any(1, keepdim=True)
    return torch.log_softmax(scaled.masked_fill(~(mask | nothing), -torch.inf), dim=1)
