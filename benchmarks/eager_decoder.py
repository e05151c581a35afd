"""The decode loop as one would write it in PyTorch: the baseline, and what compilers get.

The model is that of `decode_slates` without its rules: GRU and additive attention with local
context; the choice is greedy, and no candidate comes twice. What does not change from slot to slot
is computed once.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gerank.ops import pack_decoder_weights


@dataclass(frozen=True)
class Shape:
    """Sizes of a benchmark: B, M, N, and D = H; flags Q and group keys K of the local context."""

    batch: int
    candidates: int
    slots: int
    width: int
    flags: int = 2
    groups: int = 3
    window: int = 3


class EagerDecoder(nn.Module):
    """Parameters of the decoder, and its loop.

    Args:
        shape: Sizes of the requests.
    """

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        width, features = shape.width, shape.flags + 2 * shape.groups
        self.shape = shape
        self.slots, self.window = shape.slots, shape.window
        self.start = nn.Parameter(torch.randn(width))
        self.gru = nn.GRUCell(width, width)
        self.w_candidate = nn.Linear(width, width, bias=False)
        self.w_state = nn.Linear(width, width, bias=False)
        self.w_shared = nn.Linear(shape.flags + 1, width, bias=False)
        self.w_context = nn.Parameter(0.5 * torch.randn(features, width))
        self.v = nn.Parameter(2 * torch.randn(width) / width**0.5)
        self.bias = nn.Parameter(0.5 * torch.randn(width))

    def step(
        self,
        slot: int,
        keys: Tensor,  # [B, M, H]
        state: Tensor,  # [B, D]
        inputs: Tensor,  # [B, D]
        flags: Tensor,  # [B, M, Q] float
        counts: Tensor,  # [B, Q]
        last: Tensor,  # [B, M, K] slot in which the group was last placed, -1000 = never
        chosen: Tensor,  # [B, M] bool
    ) -> tuple[Tensor, Tensor]:
        """State and log-probabilities of one slot: [B, D] and [B, M]."""
        state = self.gru(inputs, state)
        shares = counts / max(1, slot)
        place = torch.full_like(shares[:, :1], slot / self.slots)
        query = self.w_state(state) + self.w_shared(torch.cat([shares, place], dim=1)) + self.bias
        seen, recent = last >= 0, last >= slot - self.window
        context = torch.cat([shares[:, None] * flags, seen.float(), recent.float()], dim=2)
        hidden = torch.tanh(keys + query[:, None] + context @ self.w_context)
        logits = (hidden @ self.v).masked_fill(chosen, float("-inf"))
        return state, torch.log_softmax(logits, dim=1)

    def placed(
        self,
        slot: int,
        choice: Tensor,  # [B, 1]
        candidates: Tensor,
        flags: Tensor,
        groups: Tensor,
        counts: Tensor,
        last: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The next slot's inputs [B, D], counts [B, Q] and last [B, M, K]."""
        index = choice[:, :, None]
        inputs = candidates.gather(1, index.expand(-1, -1, candidates.shape[2]))[:, 0]
        counts = counts + flags.gather(1, index.expand(-1, -1, flags.shape[2]))[:, 0]
        own = groups.gather(1, index.expand(-1, -1, groups.shape[2]))  # [B, 1, K]
        return inputs, counts, torch.where(groups == own, slot, last)

    def forward(
        self,
        candidates: Tensor,  # [B, M, D]
        set_vector: Tensor,  # [B, D]
        flags: Tensor,  # [B, M, Q] float
        groups: Tensor,  # [B, M, K] int64
    ) -> tuple[Tensor, Tensor]:
        """Slates [B, N] and their log_prob [B, N]."""
        keys = self.w_candidate(candidates)
        state = set_vector
        inputs = self.start.expand_as(state)
        counts = torch.zeros_like(flags[:, 0])
        last = torch.full_like(groups, -1000)
        chosen = torch.zeros_like(flags[:, :, 0]) > 0
        slates: list[Tensor] = []
        log_probs: list[Tensor] = []
        for slot in range(self.slots):
            state, log_p = self.step(slot, keys, state, inputs, flags, counts, last, chosen)
            choice = log_p.argmax(1, keepdim=True)  # [B, 1]
            log_probs.append(log_p.gather(1, choice))
            slates.append(choice)
            chosen = chosen.scatter(1, choice, True)
            inputs, counts, last = self.placed(
                slot, choice, candidates, flags, groups, counts, last
            )
        return torch.cat(slates, dim=1), torch.cat(log_probs, dim=1)

    def log_prob_of(
        self,
        candidates: Tensor,  # [B, M, D]
        set_vector: Tensor,  # [B, D]
        flags: Tensor,  # [B, M, Q] float
        groups: Tensor,  # [B, M, K] int64
        slates: Tensor,  # [B, N] int64
    ) -> tuple[Tensor, Tensor]:
        """log_prob and entropy of given slates, [B, N] each: what a policy loss differentiates."""
        keys = self.w_candidate(candidates)
        state = set_vector
        inputs = self.start.expand_as(state)
        counts = torch.zeros_like(flags[:, 0])
        last = torch.full_like(groups, -1000)
        chosen = torch.zeros_like(flags[:, :, 0]) > 0
        log_probs: list[Tensor] = []
        entropies: list[Tensor] = []
        for slot in range(self.slots):
            state, log_p = self.step(slot, keys, state, inputs, flags, counts, last, chosen)
            choice = slates[:, slot, None]
            log_probs.append(log_p.gather(1, choice))
            entropies.append(-(log_p.exp() * log_p.masked_fill(chosen, 0.0)).sum(1, keepdim=True))
            chosen = chosen.scatter(1, choice, True)
            inputs, counts, last = self.placed(
                slot, choice, candidates, flags, groups, counts, last
            )
        return torch.cat(log_probs, dim=1), torch.cat(entropies, dim=1)

    def packed(self) -> tuple[Tensor, Tensor]:
        """`weights` and `attention` of the ops."""
        weights = pack_decoder_weights(
            self.start, self.gru.weight_ih, self.gru.weight_hh, self.gru.bias_ih,
            self.gru.bias_hh, self.w_candidate.weight, self.w_state.weight, self.w_shared.weight,
        )  # fmt: skip
        rows = [self.w_context, self.v[None], self.bias[None], torch.ones_like(self.v)[None]]
        return weights, torch.cat(rows)[None]


class PointerStepDecoder(EagerDecoder):
    """The same loop around the op `pointer_step`."""

    def forward(
        self, candidates: Tensor, set_vector: Tensor, flags: Tensor, groups: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Slates [B, N] and their log_prob [B, N]."""
        keys = self.w_candidate(candidates)
        batch = candidates.shape[0]
        state = set_vector
        inputs = self.start.expand_as(state)
        counts = torch.zeros_like(flags[:, 0])
        last = torch.full_like(groups, -1000)
        allowed = torch.ones_like(flags[:, :, 0]) > 0
        temperature = torch.ones(batch)
        seeds = torch.zeros(batch, dtype=torch.long)
        greedy = seeds == 0
        forced = seeds - 1
        w_context, v = self.w_context[None], self.v[None]
        slates: list[Tensor] = []
        log_probs: list[Tensor] = []
        for slot in range(self.slots):
            state = self.gru(inputs, state)
            shares = counts / max(1, slot)
            place = torch.full_like(shares[:, :1], slot / self.slots)
            shared = self.w_shared(torch.cat([shares, place], dim=1))
            query = self.w_state(state) + shared + self.bias
            seen, recent = last >= 0, last >= slot - self.window
            context = torch.cat([shares[:, None] * flags, seen.float(), recent.float()], dim=2)
            choice, log_prob, _, _ = torch.ops.gerank.pointer_step(
                keys, query, context, w_context, v, allowed, temperature, seeds, greedy, forced,
                slot, 0,
            )  # fmt: skip
            slates.append(choice)
            log_probs.append(log_prob)
            allowed = allowed.scatter(1, choice[:, None], False)
            inputs, counts, last = self.placed(
                slot, choice[:, None], candidates, flags, groups, counts, last
            )
        return torch.stack(slates, dim=1), torch.stack(log_probs, dim=1)
