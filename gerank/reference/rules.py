"""The hard constraints of a request: which candidates may take a slot.

No counters are carried from slot to slot: every question is answered by looking at
the slate as it stands, with the pins of the later slots already in their places.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gerank.reference.placement import attributes_in_slots

SPACING_RELAXED = 1
QUOTAS_RELAXED = 2


class Rules(NamedTuple):
    """The rules of B requests, and the attributes they speak of.

    Attributes:
        mask: [B, M] bool. True where the candidate is real.
        flags: [B, M, Q] bool.
        groups: [B, M, K] int64. -1 = no group.
        pins: [B, N] int64. The candidate of a pinned slot, -1 elsewhere.
        dedup_keys: [B, M] int64. -1 = no key.
        spacing: [B, K, 2] int64. (window, cap); window 0 = no rule.
        quotas: [B, Q, 2] int64. (min, max); min 0 and max -1 = no rule.
        slots: [B] int64. Slots asked for.
    """

    mask: Tensor
    flags: Tensor
    groups: Tensor
    pins: Tensor
    dedup_keys: Tensor
    spacing: Tensor
    quotas: Tensor
    slots: Tensor


def allowed_candidates(
    rules: Rules,
    slate: Tensor,  # [B, N] int64: slots before `slot` as chosen
    slot: int,
) -> tuple[Tensor, Tensor]:
    """Who may take a slot, and which rules had to be dropped so that anyone may.

    Args:
        rules: The rules of the requests.
        slate: [B, N]. Chosen candidates before `slot`, -1 at empty slots; the rest is not read.
        slot: The slot to fill.

    Returns:
        allowed: [B, M] bool. The pin alone at a pinned slot; nothing behind the end of a slate.
        relaxed: [B] int64. Bits of the rule classes that were dropped and that the request has; a
            minimum above what the slots and candidates left can deliver counts as dropped.
    """
    pins, in_slate = rules.pins, slot < rules.slots
    expected = torch.cat([slate[:, :slot], pins[:, slot:]], dim=1)  # [B, N]
    possible = unused(rules, expected)
    owed = minimum_owed(rules, expected)
    deliverable = torch.minimum(free_slots(rules, slot), distinct(rules, possible))[:, None]
    quotas = quotas_met(rules, expected, (owed > 0) & (owed >= deliverable))
    spacing = spacing_kept(rules, expected, slot)

    strict = possible & quotas & spacing
    without_spacing = possible & quotas
    strict_works = strict.any(1)
    quotas_work = without_spacing.any(1)
    allowed = torch.where(quotas_work[:, None], without_spacing, possible)
    allowed = torch.where(strict_works[:, None], strict, allowed)

    has_spacing = (rules.spacing[:, :, 0] > 0).any(1)
    has_quotas = ((rules.quotas[:, :, 0] > 0) | (rules.quotas[:, :, 1] >= 0)).any(1)
    relaxed = SPACING_RELAXED * (has_spacing & ~strict_works)
    out_of_reach = (owed > deliverable).any(1)
    relaxed = relaxed + QUOTAS_RELAXED * (has_quotas & (~quotas_work | out_of_reach))

    pin = pins[:, slot]
    only_pin = torch.arange(rules.mask.shape[1], device=pin.device) == pin[:, None]  # [B, M]
    allowed = torch.where(pin[:, None] >= 0, only_pin, allowed) & in_slate[:, None]
    reported = allowed.any(1) & (pin < 0)
    return allowed, torch.where(reported, relaxed, 0)


def unused(
    rules: Rules,
    expected: Tensor,  # [B, N] int64: chosen candidates and pins to come
) -> Tensor:
    """Real candidates neither placed nor reserved, nor of one key with one that is: [B, M]."""
    taken = torch.cat([expected, rules.pins], dim=1)  # [B, 2N]; all pins, whatever was placed there
    index = torch.arange(rules.mask.shape[1], device=taken.device)
    same_candidate = index[None, :, None] == taken[:, None]  # [B, M, 2N]
    taken_keys = attributes_in_slots(rules.dedup_keys[:, :, None], taken, empty=-1)[:, :, 0]
    same_key = rules.dedup_keys[:, :, None] == taken_keys[:, None]  # [B, M, 2N]
    same_key &= rules.dedup_keys[:, :, None] != -1
    return rules.mask & ~(same_candidate | same_key).any(2)


def minimum_owed(
    rules: Rules,
    expected: Tensor,  # [B, N] int64
) -> Tensor:
    """What each minimum still lacks: [B, Q]."""
    delivered = attributes_in_slots(rules.flags.long(), expected, empty=0).sum(1)  # [B, Q]
    return rules.quotas[:, :, 0] - delivered


def free_slots(rules: Rules, slot: int) -> Tensor:
    """Slots from `slot` on that no pin has: [B]."""
    position = torch.arange(rules.pins.shape[1], device=rules.pins.device)
    ahead = (position >= slot) & (position < rules.slots[:, None])  # [B, N]
    return (ahead & (rules.pins < 0)).sum(1)


def distinct(
    rules: Rules,
    possible: Tensor,  # [B, M] bool
) -> Tensor:
    """How many of the candidates one slate can hold, of a dedup key one: [B]."""
    key = rules.dedup_keys
    same = (key[:, :, None] == key[:, None]) & (key != -1)[:, None]  # [B, M, M]
    earlier = (same & possible[:, None]).tril(-1).any(2)  # someone before it has its key
    return (possible & ~earlier).sum(1)


def quotas_met(
    rules: Rules,
    expected: Tensor,  # [B, N] int64
    binding: Tensor,  # [B, Q] bool: minima that need every slot that is left
) -> Tensor:
    """Candidates that exceed no maximum and leave every minimum within reach: [B, M]."""
    maximum = rules.quotas[:, :, 1]
    delivered = attributes_in_slots(rules.flags.long(), expected, empty=0).sum(1)  # [B, Q]
    full = (maximum >= 0) & (delivered >= maximum)
    return ~(rules.flags & full[:, None]).any(2) & (rules.flags | ~binding[:, None]).all(2)


def spacing_kept(
    rules: Rules,
    expected: Tensor,  # [B, N] int64
    slot: int,
) -> Tensor:
    """Candidates whose groups stay within their caps in every run of slots that has `slot`: [B, M].

    A run that reaches over an end of the slate counts too; nobody stands out there. So a window
    longer than the slate means the whole slate.
    """
    kept = torch.ones_like(rules.mask)
    expected_groups = attributes_in_slots(rules.groups, expected, empty=-1)  # [B, N, K]
    for key in range(rules.groups.shape[2]):
        group = rules.groups[:, :, key]  # [B, M]
        member = expected_groups[:, None, :, key] == group[:, :, None]  # [B, M, N]
        member[:, :, slot] = True  # the tentative slate: the candidate itself in the slot
        window, cap = rules.spacing[:, key].unbind(1)  # [B] each
        for length in sorted(set(window[window > 0].tolist())):
            first, last = max(0, slot - length + 1), slot + length
            around = member[:, :, first:last]  # every slot of every run that has `slot`
            run = min(length, around.shape[2])
            most = around.long().unfold(2, run, 1).sum(3).amax(2)  # [B, M]
            broken = (most > cap[:, None]) & (window == length)[:, None] & (group >= 0)
            kept &= ~broken
    return kept


def check_pins(rules: Rules) -> None:
    """Assert what a request promises: a pin is a candidate, in the slate, and the only one.

    A pin may lie on padding: nobody chooses such a candidate, but rules and local context see it.
    """
    pins, pinned = rules.pins, rules.pins >= 0
    assert not (pins >= rules.mask.shape[1]).any(), "a pin is out of range"
    position = torch.arange(pins.shape[1], device=pins.device)
    assert not (pinned & (position >= rules.slots[:, None])).any(), (
        "a pin is behind the slate's end"
    )
    same = (pins[:, :, None] == pins[:, None]) & pinned[:, :, None]  # [B, N, N]
    assert (same.sum(2) <= 1).all(), "a candidate is pinned twice"
