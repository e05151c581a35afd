"""Is an answer of the ops the reference's, up to rounding?

An answer is walked along: at every slot the float64 reference, given the choices before it, says
who was allowed, how each candidate scored and what its log-probability was. So one near tie, where
either choice is right, does not hide what comes after it.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gerank.reference.decoder import Walk, walk
from gerank.reference.philox import uniforms
from gerank.reference.pointer_step import attention_logits
from gerank.reference.weights import unpack_attention
from tests.ops.cases import DecodeCase

TOLERANCE = 1e-5


def tolerance_at(scale: float) -> float:
    """The bound of kernels that compute in float32 throughout: `pointer_step`, and those of CUDA.

    What enters the tanh is `scale` times as large as in a trained model. A float32 sum of numbers
    of size 100 is off by 4e-6 wherever the parts cancel; plain PyTorch in float32 crosses 1e-5
    there just as often.
    """
    return TOLERANCE * max(1.0, scale / 10)


class Answer(NamedTuple):
    """What `decode_slates` gave: [B, G, N] each."""

    slates: Tensor
    log_prob: Tensor
    relaxed: Tensor


def expect_same_decode(case: DecodeCase, answer: Answer, tolerance: float = TOLERANCE) -> None:
    """Fail unless the answer is the float64 reference's, up to ties within `tolerance`."""
    exact = case.to(torch.float64)
    for slate in range(case.num_slates):
        given = answer.slates[:, slate]
        trail = follow(exact, given, slate)
        behind_end = torch.arange(given.shape[1]) >= case.slots[:, None]
        assert (given[behind_end] == -1).all(), "a choice behind the slate's end"
        assert torch.equal(given >= 0, trail.allowed.any(2)), "empty where someone is allowed"
        assert torch.equal(answer.relaxed[:, slate], trail.relaxed), "other rules relaxed"
        regret = choice_regret(exact, trail, given, slate)
        assert regret.amax() <= tolerance, f"chose {regret.amax():.2e} below the best"
        expect_close(answer.log_prob[:, slate], trail.log_prob, tolerance)


def expect_close(actual: Tensor, exact: Tensor, tolerance: float = TOLERANCE) -> None:
    """Fail unless equal within `tolerance`, absolute or relative, whichever is larger."""
    torch.testing.assert_close(actual.to(exact.dtype), exact, rtol=tolerance, atol=tolerance)


def follow(exact: DecodeCase, given: Tensor, slate: int) -> Walk:
    """The reference along given slates [B, N]; `allowed` and `relaxed` as if it chose freely."""
    with torch.no_grad():
        return walk(
            exact.request(), exact.context_window, exact.seeds, exact.greedy, slate, given=given
        )


def slot_scores(exact: DecodeCase, trail: Walk, slate: int) -> Tensor:
    """What each slot maximised: logits, or logits / T + noise; -inf if ruled out: [B, N, M]."""
    attention = unpack_attention(exact.attention)
    batch, slots, candidates = trail.allowed.shape
    scores = torch.empty(batch, slots, candidates, dtype=torch.float64)
    for slot in range(slots):
        query, context = trail.query[:, slot], trail.context[:, slot]
        logits = attention_logits(trail.keys, query, context, attention.w_context, attention.v)
        noise = -torch.log(-torch.log(uniforms(exact.seeds, candidates, slot, slate)))
        sampled = logits / exact.temperature[:, None] + noise
        scores[:, slot] = torch.where(exact.greedy[:, None], logits, sampled)
    return scores.masked_fill(~trail.allowed, -torch.inf)


def choice_regret(exact: DecodeCase, trail: Walk, given: Tensor, slate: int) -> Tensor:
    """How far each choice scored below the best one, relative above 1: [B, N]."""
    scores = slot_scores(exact, trail, slate)
    best = scores.amax(2)  # [B, N]
    chosen = scores.gather(2, given.clamp(min=0)[:, :, None])[:, :, 0]
    regret = (best - chosen) / best.abs().clamp(min=1)
    return torch.where(given >= 0, regret, 0.0)


def decision_margin(case: DecodeCase) -> Tensor:
    """The smallest distance between the two best scores of any slot of each request: [B]."""
    exact = case.to(torch.float64)
    margins = []
    for slate in range(case.num_slates):
        with torch.no_grad():
            trail = walk(exact.request(), exact.context_window, exact.seeds, exact.greedy, slate)
        scores = slot_scores(exact, trail, slate)
        if scores.shape[2] < 2:
            continue
        first, second = scores.topk(2, dim=2).values.unbind(2)
        margins.append(torch.where(second.isfinite(), first - second, torch.inf).amin(1))
    if not margins:
        return torch.full_like(exact.temperature, torch.inf)
    return torch.stack(margins, dim=1).amin(1)
