"""What scores of a page's candidates lose against its clicks; pure functions of tensors.

All take `scores` [B, M] float, `labels` [B, M] float (1 = clicked, 0 = not) and `mask` [B, M] bool
(candidates whose label is known), and answer one loss per page [B]. A page without a click says
nothing of an order: where the loss is over the page's distribution, it is 0.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional


def softmax_cross_entropy(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """L = -sum_i y_i / (sum_j y_j) log softmax(s)_i.

    Cao et al., "Learning to rank: from pairwise approach to listwise approach", ICML 2007, with
    clicks for the distribution of the labels.
    """
    clicks = (labels * mask).sum(1, keepdim=True).clamp(min=1.0)
    return likelihood_loss(scores, labels / clicks, mask)


def likelihood_loss(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """L = -sum_i y_i log softmax(s)_i: every click counts, also those of pages with many."""
    log_p = _log_softmax(scores, mask)
    return -(labels * log_p.masked_fill(~mask, 0.0)).sum(1)


def attention_rank(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """L = -sum_i a_i log p_i + (1 - a_i) log(1 - p_i), p = softmax(s), a = tau(y) / sum_j tau(y_j).

    tau(y) = exp(y) where y > 0, else 0. Ai et al., "Learning a deep listwise context model for
    ranking refinement", SIGIR 2018.
    """
    rectified = torch.where(mask & (labels > 0), labels.exp(), 0.0)
    total = rectified.sum(1, keepdim=True)
    attention = rectified / total.clamp(min=1.0)  # exp(1) or more wherever there is a click
    log_p = _log_softmax(scores, mask).masked_fill(~mask, 0.0)
    rest = torch.log1p(-log_p.exp().clamp(max=1 - 1e-6))
    each = attention * log_p + (1 - attention) * rest
    has_click = total.squeeze(1) > 0
    return -(each * mask).sum(1) * has_click


def click_cross_entropy(scores: Tensor, labels: Tensor, mask: Tensor) -> Tensor:
    """L = -sum_i y_i log sigma(s_i) + (1 - y_i) log(1 - sigma(s_i)): every click by itself."""
    each = functional.binary_cross_entropy_with_logits(scores, labels, reduction="none")
    return (each * mask).sum(1)


def _log_softmax(scores: Tensor, mask: Tensor) -> Tensor:
    """[B, M] over the mask; what stands elsewhere has no meaning and no gradient.

    Finite on a page whose mask is empty, so that its loss is 0 and not NaN.
    """
    lowest = torch.finfo(scores.dtype).min / 2
    return scores.masked_fill(~mask, lowest).log_softmax(1)
