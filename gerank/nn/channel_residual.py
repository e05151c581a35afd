"""The five channels as a residual on top of the structured evaluator: what its forms cannot say."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gerank.data.batch import SlotsAbove, pad_slots
from gerank.data.schema import FeatureSchema
from gerank.nn.batch_dropout import BatchDropout
from gerank.nn.channels import (
    PairwiseProducts,
    Recurrent,
    SelfAttention,
    SlotMlp,
    SumPooling,
    keep,
)
from gerank.nn.features import FeatureEncoder
from gerank.nn.layers import FeatureLinear, mlp, zero_linear
from gerank.nn.small_tables import with_small_tables


@dataclass(frozen=True)
class ResidualShape:
    """The sizes of the residual.

    Attributes:
        slots: N, the longest slate it sees.
        width: The width of an item's vector inside the channels.
        embedding_width: The width of each id feature's embedding.
        heads: The number of heads of the self-attention.
        dropout: Share of activations dropped in training.
        calibrated: Dense candidate features with a monotone map.
    """

    slots: int
    width: int = 48
    embedding_width: int = 8
    heads: int = 4
    dropout: float = 0.1
    calibrated: tuple[str, ...] = ()


class ChannelItems(NamedTuple):
    """Candidates as the channels see them: computed once, shared by all slates of a request.

    Attributes:
        vectors: [B, M, W]. Candidate and user in one.
        groups: [B, M, K] int64.
        above: [B, A, K] int64. Groups of what stands above the page; -1 = none.
    """

    vectors: Tensor
    groups: Tensor
    above: Tensor


class ChannelResidual(nn.Module):
    """Five channels (pooling, per-slot MLP, self-attention, GRU, pairwise products): [E, N] logits.

    Every slot's head reads the page as the channels saw it, the item vectors of the slot and its
    neighbours on both sides, and the slot's outputs of the attention and the GRU: one head serves
    all slots, where N separate outputs would each have to learn what an item is. Its last layer
    starts at zero.

    A slot's vector also tells how often its groups stand before it (`repeats`): equality of groups
    is what fatigue depends on, and embeddings learn it badly from logs that a spacing rule filled.
    Source: Chen et al., "Controllable Multi-Objective Re-ranking with Policy Hypernetworks", KDD
    2023, whose evaluator has these channels.
    """

    group_columns: Tensor

    def __init__(self, schema: FeatureSchema, shape: ResidualShape) -> None:
        super().__init__()
        self.shape = shape
        self.features = FeatureEncoder(
            with_small_tables(schema), shape.embedding_width, shape.calibrated
        )
        wide, slots = shape.width, shape.slots
        users, candidates = self.features.user_width, self.features.candidate_width
        self.candidate_side = FeatureLinear(candidates, wide)
        self.user_side = FeatureLinear(users, wide)
        self.item = mlp(candidates + users + wide, 2 * wide, wide)
        group_columns = torch.tensor(schema.group_columns, dtype=torch.int64)
        self.register_buffer("group_columns", group_columns, persistent=False)
        self.repeats_side = FeatureLinear(2 * len(schema.groups), wide, bias=False)
        nn.init.zeros_(self.repeats_side.weight)  # a repeat that was never logged says nothing
        self.slot_embedding = nn.Parameter(0.1 * torch.randn(slots, wide))
        self.pooling = SumPooling()
        self.slot_mlp = SlotMlp(wide, 8)
        self.attention = SelfAttention(wide, shape.heads)
        self.recurrent = Recurrent(wide)
        self.pairs = PairwiseProducts(slots)
        self.dropout = BatchDropout(shape.dropout)
        channels = 3 * wide + 8 * slots + slots * (slots + 1) // 2
        self.page = nn.Sequential(mlp(channels, 2 * wide, wide), nn.ReLU())
        self.slot_hidden = mlp(6 * wide, wide)
        self.slot_last = zero_linear(wide, 1)

    def items(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        above: SlotsAbove | None = None,
    ) -> ChannelItems:
        """B candidate sets, shapes as in `RerankBatch`, and what stands above (None = nothing)."""
        users = self.features.users(user_dense, user_ids)
        vectors = self.features.candidates(candidate_dense, candidate_ids, candidate_mask, user_ids)
        product = self.candidate_side(vectors) * self.user_side(users).unsqueeze(1)
        tiled = users.unsqueeze(1).expand(-1, vectors.size(1), -1)
        encoded: Tensor = self.item(torch.cat([vectors, tiled, product], dim=-1)).relu()
        if above is None:
            above = SlotsAbove.nothing(len(candidate_ids), candidate_ids.size(2))
        groups = candidate_ids.index_select(2, self.group_columns)
        return ChannelItems(encoded, groups, above.groups(self.group_columns))

    def forward(self, items: ChannelItems, slates: Tensor) -> Tensor:
        """What the page adds to the logits of its slots.

        Args:
            items: The items of B candidate sets.
            slates: [B, G, N'] int64 with N' <= shape.slots; -1 = empty slot.

        Returns:
            [E, N'] for E = B * G slates, request by request; without meaning at empty slots.
        """
        asked = slates.size(-1)
        if slates.size(-1) > self.shape.slots:
            raise ValueError(f"slates have {slates.size(-1)} slots, not at most {self.shape.slots}")
        slates = pad_slots(slates, self.shape.slots)
        mask = slates.view(-1, self.shape.slots) >= 0
        above = items.above.repeat_interleave(slates.size(1), dim=0)
        counts = group_repeats(gather_slates(items.groups, slates), mask, above)
        repeats = self.repeats_side(counts)
        page = gather_slates(items.vectors, slates) + self.slot_embedding + repeats
        page = keep_dropout(page, self.dropout)
        attended = self.attention(page, mask)
        read = self.recurrent(page, mask)
        channels = torch.cat(
            [
                self.pooling(page, mask),
                self.slot_mlp(page, mask),
                attended.sum(1) / page.size(1),
                read.sum(1) / page.size(1),
                self.pairs(page, mask),
            ],
            dim=-1,
        )
        whole = self.page(self.dropout(channels))  # [E, W]
        tiled = whole.unsqueeze(1).expand(-1, page.size(1), -1)
        shown = keep(page, mask)
        above, below = functional.pad(shown, (0, 0, 1, -1)), functional.pad(shown, (0, 0, -1, 1))
        per_slot = torch.cat([page, above, below, attended, read, tiled], dim=-1)
        logits: Tensor = self.slot_last(self.slot_hidden(per_slot).relu()).squeeze(-1)
        return logits[:, :asked]


def gather_slates(columns: Tensor, slates: Tensor) -> Tensor:
    """Columns [B, M, X] of the candidates in slates [B, G, N] -> [B * G, N, X]; -1 reads 0's."""
    requests, group, slots = slates.shape
    chosen = slates.clamp(min=0).view(requests, group * slots, 1)
    gathered = columns.gather(1, chosen.expand(-1, -1, columns.size(-1)))
    return gathered.view(requests * group, slots, -1)


def group_repeats(groups: Tensor, mask: Tensor, above: Tensor) -> Tensor:
    """How often a slot's groups stand before it: anywhere, and in the three slots above.

    Args:
        groups: [E, N, K] int64. -1 = none.
        mask: [E, N] bool. True = filled.
        above: [E, A, K] int64. Groups of what stands above the page; -1 = none.

    Returns:
        [E, N, 2K] float32.
    """
    reach = above.size(1)
    groups, mask = torch.cat([above, groups], dim=1), functional.pad(mask, (reach, 0), value=True)
    slots = groups.size(1)
    known = mask.unsqueeze(-1) & (groups >= 0)
    same = (groups.unsqueeze(2) == groups.unsqueeze(1)) & known.unsqueeze(1)  # [E, n, earlier, K]
    lag = torch.arange(slots).unsqueeze(1) - torch.arange(slots)  # [n, earlier]
    lag = lag.to(groups.device).view(1, slots, slots, 1)
    before = (same & (lag > 0)).sum(2)
    recent = (same & (lag > 0) & (lag <= 3)).sum(2)
    counts = torch.cat([before, recent], dim=-1).float() * known.repeat(1, 1, 2)
    return counts[:, reach:]


def keep_dropout(page: Tensor, dropout: nn.Dropout) -> Tensor:
    """Drops whole features of a page alike in all slots, so that neighbours stay comparable."""
    dropped: Tensor = page * dropout(torch.ones_like(page[:, :1]))
    return dropped
