"""The pointer network's loop over the slots of one slate: free, or along a given slate."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gerank.reference.local_context import flag_shares, local_context
from gerank.reference.placement import attributes_in_slots
from gerank.reference.pointer_step import pointer_step
from gerank.reference.rules import Rules, allowed_candidates, check_pins
from gerank.reference.weights import Attention, Weights, unpack_attention, unpack_weights


class Request(NamedTuple):
    """B requests: the arguments that `decode_slates` and `slate_log_prob` share, in their order.

    Attributes:
        candidates: [B, M, D]. Embeddings e_m.
        set_vector: [B, D]. Embedding e_c of the set.
        mask: [B, M] bool. True where the candidate is real.
        weights: [P]. The decoder's shared weights: see `weights.Weights`.
        attention: [B or 1, C + 3, H]. W_c, v, bias, scale: see `weights.Attention`.
        flags: [B, M, Q] bool.
        groups: [B, M, K] int64.
        pins: [B, N] int64.
        dedup_keys: [B, M] int64.
        spacing: [B, K, 2] int64.
        quotas: [B, Q, 2] int64.
        slots: [B] int64.
        temperature: [B], > 0.
    """

    candidates: Tensor
    set_vector: Tensor
    mask: Tensor
    weights: Tensor
    attention: Tensor
    flags: Tensor
    groups: Tensor
    pins: Tensor
    dedup_keys: Tensor
    spacing: Tensor
    quotas: Tensor
    slots: Tensor
    temperature: Tensor

    def sizes(self) -> tuple[int, int, int]:
        """D, H and Q."""
        return self.set_vector.shape[1], self.attention.shape[2], self.flags.shape[2]

    def rules(self) -> Rules:
        """The part that rules speak of."""
        return Rules(
            self.mask, self.flags, self.groups, self.pins,
            self.dedup_keys, self.spacing, self.quotas, self.slots,
        )  # fmt: skip


class Walk(NamedTuple):
    """What happened at every slot of one slate.

    Attributes:
        slate: [B, N] int64. Candidate per slot, -1 = empty.
        keys: [B, M, H]. W_e e_m, equal at all slots.
        log_prob: [B, N]. Holds the candidate's log-probability; 0 at pinned and empty slots.
        entropy: [B, N]. Holds the entropy of the distribution it was chosen from.
        relaxed: [B, N] int64. Bits of the rules dropped.
        allowed: [B, N, M] bool. Who might have been chosen.
        query: [B, N, H]. What entered each slot's attention with the GRU's state.
        context: [B, N, M, C]. Local context.
    """

    slate: Tensor
    keys: Tensor
    log_prob: Tensor
    entropy: Tensor
    relaxed: Tensor
    allowed: Tensor
    query: Tensor
    context: Tensor


def gru(
    weights: Weights,
    inputs: Tensor,  # [B, D]
    state: Tensor,  # [B, D]
) -> Tensor:
    """One step of `torch.nn.GRUCell`: the next state, [B, D]."""
    width = state.shape[1]
    from_input = inputs @ weights.w_ih_t + weights.b_ih  # [B, 3D]
    from_state = state @ weights.w_hs_t[:, : 3 * width] + weights.b_hh  # [B, 3D]
    input_r, input_z, input_n = from_input.chunk(3, dim=1)
    state_r, state_z, state_n = from_state.chunk(3, dim=1)
    reset = torch.sigmoid(input_r + state_r)
    update = torch.sigmoid(input_z + state_z)
    new = torch.tanh(input_n + reset * state_n)
    return (1 - update) * new + update * state


def slot_query(
    request: Request,
    weights: Weights,
    attention: Attention,
    state: Tensor,  # [B, D]
    prefix: Tensor,  # [B, n] int64
) -> Tensor:
    """What enters the attention equally for all candidates of slot n: [B, H]."""
    w_s_t = weights.w_hs_t[:, 3 * state.shape[1] :]  # [D, H]
    place = prefix.shape[1] / request.slots.clamp(min=1).double()  # [B]
    shared = torch.cat([flag_shares(request.flags, prefix), place[:, None]], dim=1)
    from_state = attention.scale * (state @ w_s_t)
    return from_state + shared.to(state.dtype) @ weights.w_g_t + attention.bias


def walk(
    request: Request,
    context_window: int,
    seeds: Tensor,  # [B] int64
    greedy: Tensor,  # [B] bool
    slate_index: int,
    given: Tensor | None = None,  # [B, N] int64
) -> Walk:
    """Fill the slots of one slate in their order.

    Args:
        request: The requests.
        context_window: How many slots back count as recent in the local context.
        seeds: [B]. Seed of each request.
        greedy: [B]. True: the best candidate; False: a sample.
        slate_index: Index of the slate among the G of its request.
        given: [B, N]. A slate to follow, -1 at empty slots, instead of choosing.

    Returns:
        A `Walk`, differentiable in candidates, set_vector, weights and attention.
    """
    check_request(request)
    attention = unpack_attention(request.attention)
    weights = unpack_weights(request.weights, *request.sizes())
    keys = request.candidates @ weights.w_e_t  # [B, M, H]
    state = request.set_vector  # [B, D]
    inputs = weights.start.expand_as(state)  # [B, D]
    slate = torch.full_like(request.pins, -1)  # [B, N]
    trail = []
    for slot in range(slate.shape[1]):
        prefix = slate[:, :slot]
        state = gru(weights, inputs, state)
        query = slot_query(request, weights, attention, state, prefix)
        context = local_context(request.flags, request.groups, prefix, context_window)
        context = context.to(state.dtype)
        allowed, relaxed = allowed_candidates(request.rules(), slate, slot)
        forced, may_choose = follow(given, request.slots, slot)
        step = pointer_step(
            keys, query, context, attention.w_context, attention.v, allowed & may_choose[:, None],
            request.temperature, seeds, greedy, forced, slot, slate_index,
        )  # fmt: skip
        slate = torch.cat([prefix, step.choice[:, None], slate[:, slot + 1 :]], dim=1)
        chosen = attributes_in_slots(request.candidates, step.choice[:, None], empty=0)[:, 0]
        inputs = torch.where(step.choice[:, None] >= 0, chosen, inputs)
        trail.append((step.log_prob, step.entropy, relaxed, allowed, query, context))
    parts = (torch.stack(part, dim=1) for part in zip(*trail, strict=True))
    return Walk(slate, keys, *parts)


def follow(
    given: Tensor | None,  # [B, N] int64
    slots: Tensor,  # [B] int64
    slot: int,
) -> tuple[Tensor, Tensor]:
    """The choice to force at a slot, [B] int64, and whether there is a choice at all, [B] bool."""
    if given is None:
        return torch.full_like(slots, -1), torch.ones_like(slots, dtype=torch.bool)
    forced = torch.where(slot < slots, given[:, slot], -1)
    return forced, forced >= 0  # a slot left empty is no choice


def check_request(request: Request) -> None:
    """Assert that all shapes agree and that the pins are valid."""
    batch, candidates, width = request.candidates.shape
    flags, groups = request.flags.shape[2], request.groups.shape[2]
    assert request.set_vector.shape == (batch, width), request.set_vector.shape
    assert request.mask.shape == (batch, candidates), request.mask.shape
    assert request.attention.shape[0] in (1, batch), request.attention.shape
    assert request.attention.shape[1] == flags + 2 * groups + 3, request.attention.shape
    assert request.dedup_keys.shape == (batch, candidates), request.dedup_keys.shape
    assert request.pins.shape[0] == batch, request.pins.shape
    assert request.spacing.shape == (batch, groups, 2), request.spacing.shape
    assert request.quotas.shape == (batch, flags, 2), request.quotas.shape
    assert (request.slots <= request.pins.shape[1]).all(), request.slots
    check_pins(request.rules())
