"""Flow control: a group gets its share of the traffic, and not too low on the page.

For one group g (a seller, or the candidates with a flag), with r_p(g) its share of page p's
slots, pos_p(g) its mean position there (slot + 1), R_b(g) and Pos_b(g) the same over all slots
of the batch, a page scores

    U_p = -( open_e 1[r_p(g) <= t_e]  +  open_p 1[pos_p(g) >= t_p] )

In the page form both gates stand open. In the batch-gated form open_e = 1[R_b(g) <= t_e] and
open_p = 1[Pos_b(g) >= t_p]: once the batch meets a target no page pays for missing it ("mind the
large, let go the small"), so that g goes to the pages where it costs least. The mean of U_p over
the batch is the utility of design and paper (Chen et al., "Controllable multi-objective
re-ranking with policy hypernetworks", KDD 2023). A page without g counts in the first term only.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gerank.rl.shapes import check_axes, check_mask, check_shape


class BatchTotals(NamedTuple):
    """What R_b and Pos_b are made of. Totals of several devices add up.

    Attributes:
        members: [...] int64. Slots that hold a member of the group.
        slots: [...] int64. Slots that hold a candidate.
        positions: [...] int64. Sum of the members' positions.
    """

    members: Tensor
    slots: Tensor
    positions: Tensor


def batch_totals(member: Tensor, slot_mask: Tensor) -> BatchTotals:
    """Sums over the pages of a batch, that is over axis 0: for [B, G, N], one sum per g of G.

    Where several processes train together the gate looks at the batch of all: their totals add up
    (three integers per g), and `flow_control` is given the sums.

    Args:
        member: [B, ..., N] bool. Slots that hold a member of the group.
        slot_mask: [B, ..., N] bool. Slots that hold a candidate.

    Raises:
        ValueError: Shapes or dtypes.
    """
    members, slots, positions = _page_counts("batch_totals", member, slot_mask)
    return BatchTotals(members.sum(dim=0), slots.sum(dim=0), positions.sum(dim=0))


def flow_control(
    member: Tensor,
    slot_mask: Tensor,
    share_target: float | None = None,
    position_target: float | None = None,
    totals: BatchTotals | None = None,
) -> Tensor:
    """The batch-gated form. Range -2..0.

    For slates [B, G, N] every g of G is a batch of its own: gates are over axis 0 alone.

    Args:
        member: [B, ..., N] bool. Slots that hold a member of the group.
        slot_mask: [B, ..., N] bool. Slots that hold a candidate.
        share_target: t_e, 0..1; None = no such term.
        position_target: t_p, a 1-based position; None = no such term.
        totals: Count over a larger batch that this one is part of; None = over this one.

    Returns:
        [B, ...] float32. U_p; its mean over axis 0 is the utility of the batch.

    Raises:
        ValueError: Shapes, dtypes, or no target at all.
    """
    counts = _page_counts("flow_control", member, slot_mask)
    if totals is None:
        totals = BatchTotals(*(count.sum(dim=0) for count in counts))
    for name, total in zip(totals._fields, totals, strict=True):
        check_shape("flow_control", f"totals.{name}", total, counts[0].shape[1:])
    open_share, open_position = _misses(totals, share_target, position_target)
    low_share, low_position = _misses(BatchTotals(*counts), share_target, position_target)
    return -((open_share & low_share).float() + (open_position & low_position).float())


def page_flow_control(
    member: Tensor,
    slot_mask: Tensor,
    share_target: float | None = None,
    position_target: float | None = None,
) -> Tensor:
    """The page form: every page that misses a target pays. Range -2..0.

    Args:
        member: [..., N] bool. Slots that hold a member of the group.
        slot_mask: [..., N] bool. Slots that hold a candidate.
        share_target: t_e, 0..1; None = no such term.
        position_target: t_p, a 1-based position; None = no such term.

    Returns:
        [...] float32. U_p.

    Raises:
        ValueError: Shapes, dtypes, or no target at all.
    """
    counts = BatchTotals(*_page_counts("page_flow_control", member, slot_mask))
    low_share, low_position = _misses(counts, share_target, position_target)
    return -(low_share.float() + low_position.float())


def _page_counts(function: str, member: Tensor, slot_mask: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Members, slots and sum of the members' positions, each [...] int64."""
    check_axes(function, "member", member, "...N")
    check_mask(function, "member", member, member.shape)
    check_mask(function, "slot_mask", slot_mask, member.shape)
    present = member & slot_mask
    position = torch.arange(1, member.shape[-1] + 1, device=member.device)
    return present.sum(dim=-1), slot_mask.sum(dim=-1), (present * position).sum(dim=-1)


def _misses(
    counts: BatchTotals, share_target: float | None, position_target: float | None
) -> tuple[Tensor, Tensor]:
    """Whether a page (or a batch) has too small a share, and whether it stands too low.

    In float64: the totals of a large batch are beyond what a float32 tells apart.
    """
    if share_target is None and position_target is None:
        raise ValueError("flow control: share_target and position_target are both None")
    members, slots, positions = (count.double() for count in counts)
    never = torch.zeros_like(counts.members, dtype=torch.bool)
    low_share, low_position = never, never
    if share_target is not None:
        low_share = (slots > 0) & (members / slots.clamp(min=1) <= share_target)
    if position_target is not None:
        low_position = (members > 0) & (positions / members.clamp(min=1) >= position_target)
    return low_share, low_position
