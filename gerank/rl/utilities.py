"""Utilities of single pages: how well a slate does by one measure.

Every function takes slates with any leading axes ([B, N] exposed pages, [B, G, N] sampled
slates). One named `<utility>_by_slot` answers what each slot adds to the value U of a slate, which
is their sum. For so many filled slots that depends on the candidates of this slot and of earlier
ones alone. Slots where `slot_mask` is False (empty, or behind the end) do not exist for a utility,
except that they keep their place: slot 3 is slot 3 also when slot 2 is empty. Batch-gated utilities
are in `gerank.rl.flow_control`.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gerank.rl.shapes import check_axes, check_floating, check_mask, check_shape
from gerank.rl.slot_credit import at_last_slot


def diversity_by_slot(group: Tensor, slot_mask: Tensor, window: int | None = None) -> Tensor:
    """U = 1/|p| sum_i 1[g_i is not among the groups of the `window` slots before i].

    Slot i is credited with its term.

    Args:
        group: [..., N] int64. The group in each slot; -1 = none, which repeats nothing.
        slot_mask: [..., N] bool. Slots that hold a candidate.
        window: How far back a repetition counts, in slots; None = to the start of the page.

    Returns:
        [..., N] float64, so that slates with as many fresh slots have the same sum to the last
        digit. 0 where there is no candidate.

    Raises:
        ValueError: Shapes, dtypes, or window < 1.
    """
    check_axes("diversity", "group", group, "...N")
    check_mask("diversity", "slot_mask", slot_mask, group.shape)
    if window is not None and window < 1:
        raise ValueError(f"diversity: window must be None or >= 1, got {window}")
    slots = torch.arange(group.shape[-1], device=group.device)
    back = slots[:, None] - slots  # [N, N], how far j lies before i
    reach = group.shape[-1] if window is None else window
    grouped = slot_mask & (group >= 0)
    same = (group[..., :, None] == group[..., None, :]) & grouped[..., None, :]  # [..., N, N]
    repeated = (same & (back >= 1) & (back <= reach)).any(dim=-1)  # [..., N]
    fresh = slot_mask & ~repeated
    return fresh.double() / slot_mask.sum(dim=-1, keepdim=True).clamp(min=1)


def group_ordering_by_slot(priority: Tensor, slot_mask: Tensor) -> Tensor:
    """U = 2 / (|p| (|p| - 1)) sum_{i<j} 1[priority(g_i) >= priority(g_j)].

    Each pair is credited to its later slot j.

    Args:
        priority: [..., N]. Priority of the group in each slot; the larger should come first.
        slot_mask: [..., N] bool. Slots that hold a candidate.

    Returns:
        [..., N] float64, so that slates with as many pairs in order have the same sum to the last
        digit. A slate of fewer than two candidates has its 1 at the last slot.

    Raises:
        ValueError: Shapes or dtypes.
    """
    check_axes("group_ordering", "priority", priority, "...N")
    check_mask("group_ordering", "slot_mask", slot_mask, priority.shape)
    size = priority.shape[-1]
    earlier = torch.ones(size, size, dtype=torch.bool, device=priority.device).triu(1)
    pair = slot_mask[..., :, None] & slot_mask[..., None, :] & earlier  # [..., N, N], i < j
    ordered = pair & (priority[..., :, None] >= priority[..., None, :])
    pairs = pair.sum(dim=(-2, -1))
    share = ordered.sum(dim=-2).double() / pairs.clamp(min=1).unsqueeze(-1)
    return share + at_last_slot((pairs == 0).double(), size)


def expected_clicks_by_slot(click_probability: Tensor, slot_mask: Tensor) -> Tensor:
    """U = sum_i P(click at i), slot i credited with its term.

    Args:
        click_probability: [..., N]. Per slot, 0..1.
        slot_mask: [..., N] bool. Slots that hold a candidate.

    Returns:
        [..., N]. 0 where there is no candidate.

    Raises:
        ValueError: Shapes or dtypes.
    """
    return _click_probability("expected_clicks", click_probability, slot_mask)


def page_click(click_probability: Tensor, slot_mask: Tensor) -> Tensor:
    """U = 1 - prod_i (1 - P(click at i)): any click, slots independent. Range 0..1. Differentiable.

    An evaluator with a head for it knows better: slots of a page are not independent. Nothing is
    credited by slot here, because such a head speaks of the page alone.

    Args:
        click_probability: [..., N]. Per slot, 0..1.
        slot_mask: [..., N] bool. Slots that hold a candidate.

    Returns:
        [...]. 0 for a slate without candidates.

    Raises:
        ValueError: Shapes or dtypes.
    """
    return 1 - (1 - _click_probability("page_click", click_probability, slot_mask)).prod(dim=-1)


def err_ia_by_slot(
    click_probability: Tensor, group: Tensor, intent: Tensor, slot_mask: Tensor
) -> Tensor:
    """U = sum_i P(g_i) / i * c_i * prod_{j < i, g_j = g_i} (1 - c_j).

    Slot i is credited with its term. The intent-aware expected reciprocal rank tells how soon a
    user finds what he wants: one who wants group g, which has the probability P(g), reads from the
    top, stops at the first item of g that satisfies, and gains 1 / position there. An item
    satisfies its own group alone. Chapelle et al., "Expected reciprocal rank for graded relevance",
    CIKM 2009, and "Intent-based diversification of web search results: metrics and algorithms",
    Information Retrieval 2011.

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


def intra_list_distance_by_slot(vectors: Tensor, slot_mask: Tensor) -> Tensor:
    """U = 2 / (|p| (|p| - 1)) sum_{i<j} (1 - cos(x_i, x_j)) / 2, each pair credited to its slot j.

    Zhang and Hurley, "Avoiding monotony: improving the diversity of recommendation lists", RecSys
    2008. The direction of a vector counts and not its length; a vector of zeros has no direction
    and lies half way (cosine 0) from all others.

    Args:
        vectors: [..., N, F]. Describe the item in each slot, standardised per feature.
        slot_mask: [..., N] bool. Slots that hold a candidate.

    Returns:
        [..., N]. 0 where there is no candidate.

    Raises:
        ValueError: Shapes or dtypes.
    """
    check_axes("intra_list_distance", "vectors", vectors, "...NF")
    check_floating("intra_list_distance", "vectors", vectors)
    check_mask("intra_list_distance", "slot_mask", slot_mask, vectors.shape[:-1])
    directions = functional.normalize(vectors, dim=-1)
    distance = (1 - directions @ directions.transpose(-1, -2)) / 2  # [..., N, N]
    size = vectors.shape[-2]
    earlier = torch.ones(size, size, dtype=torch.bool, device=vectors.device).triu(1)
    pair = slot_mask[..., :, None] & slot_mask[..., None, :] & earlier
    pairs = pair.sum(dim=(-2, -1)).clamp(min=1)
    return (distance * pair).sum(dim=-2) / pairs.unsqueeze(-1)


def _click_probability(function: str, click_probability: Tensor, slot_mask: Tensor) -> Tensor:
    """[..., N], 0 where there is no candidate."""
    check_axes(function, "click_probability", click_probability, "...N")
    check_floating(function, "click_probability", click_probability)
    check_mask(function, "slot_mask", slot_mask, click_probability.shape)
    return click_probability.masked_fill(~slot_mask, 0.0)
