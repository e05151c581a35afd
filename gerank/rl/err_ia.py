"""ERR-IA: how soon a user who wants one of several things finds it."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_mask, check_shape


def err_ia_by_slot(
    click_probability: Tensor, group: Tensor, intent: Tensor, slot_mask: Tensor
) -> Tensor:
    """U = sum_i P(g_i) / i * c_i * prod_{j < i, g_j = g_i} (1 - c_j).

    Slot i is credited with its term. The intent-aware expected reciprocal rank: a user who wants
    group g, which has the probability P(g), reads from the top, stops at the first item of g that
    satisfies, and gains 1 / position there. An item satisfies its own group alone. Chapelle et al.,
    "Expected reciprocal rank for graded relevance", CIKM 2009, and "Intent-based diversification
    of web search results: metrics and algorithms", Information Retrieval 2011.

    Args:
        click_probability: [..., N]. c_i, 0..1: how likely the item in each slot satisfies.
        group: [..., N] int64. g_i; -1 = none, which nobody wants.
        intent: [..., N]. P(g_i) of the group in each slot, 0..1; over distinct groups at most 1.
        slot_mask: [..., N] bool. Slots that hold a candidate.

    Returns:
        [..., N]. 0 where there is no candidate.

    Raises:
        ValueError: Shapes or dtypes.
    """
    check_axes("err_ia", "click_probability", click_probability, "...N")
    check_floating("err_ia", "click_probability", click_probability)
    check_shape("err_ia", "group", group, click_probability.shape)
    check_shape("err_ia", "intent", intent, click_probability.shape)
    check_mask("err_ia", "slot_mask", slot_mask, click_probability.shape)
    wanted = slot_mask & (group >= 0)
    satisfied = click_probability.masked_fill(~wanted, 0.0)
    size = group.shape[-1]
    earlier = torch.ones(size, size, dtype=torch.bool, device=group.device).tril(-1)
    rivals = (group[..., :, None] == group[..., None, :]) & earlier  # [..., i, j], j < i
    missed = torch.where(rivals, 1 - satisfied[..., None, :], 1.0).prod(dim=-1)
    position = torch.arange(1, size + 1, device=group.device)
    return intent * satisfied * missed / position
