"""The evaluator: imitates the user's feedback on a whole slate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gerank.data.schema import FeatureSchema
from gerank.nn.channels import PairwiseProducts, Recurrent, SelfAttention, SlotMlp, SumPooling
from gerank.nn.features import FeatureEncoder
from gerank.nn.layers import mlp


@dataclass(frozen=True)
class EvaluatorShape:
    """The sizes of an evaluator.

    Attributes:
        slots: N, the longest slate it judges.
        width: Of an item's vector inside the channels.
        embedding_width: Of each id feature.
        heads: Of the self-attention.
        dropout: Share of activations dropped in training.
    """

    slots: int
    width: int = 48
    embedding_width: int = 8
    heads: int = 4
    dropout: float = 0.1


class FeedbackLogits(NamedTuple):
    """Predicted feedback on E slates.

    Attributes:
        page_click: [E]. Logit of any click on the page.
        click_count: [E, N + 1]. Logits of the number of clicks.
        slot_click: [E, N]. Logit of a click per slot; meaningless where the slot is empty.
    """

    page_click: Tensor
    click_count: Tensor
    slot_click: Tensor


class Evaluator(nn.Module):
    """Five channels (pooling, per-slot MLP, self-attention, GRU, pairwise products) and an MLP.

    The page heads read the concatenated channels. The per-slot head reads them and the slot's own
    outputs of the item vector, the attention and the GRU: one head serves all slots, where N
    separate outputs would each have to learn what an item is.
    """

    def __init__(self, schema: FeatureSchema, shape: EvaluatorShape) -> None:
        super().__init__()
        self.shape = shape
        self.features = FeatureEncoder(schema, shape.embedding_width)
        wide, slots = shape.width, shape.slots
        users, candidates = self.features.user_width, self.features.candidate_width
        self.candidate_side = nn.Linear(candidates, wide)
        self.user_side = nn.Linear(users, wide)
        self.item = mlp(candidates + users + wide, 2 * wide, wide)
        self.slot_embedding = nn.Parameter(0.1 * torch.randn(slots, wide))
        self.pooling = SumPooling()
        self.slot_mlp = SlotMlp(wide, 8)
        self.attention = SelfAttention(wide, shape.heads)
        self.recurrent = Recurrent(wide)
        self.pairs = PairwiseProducts(slots)
        self.dropout = nn.Dropout(shape.dropout)
        channels = 3 * wide + 8 * slots + slots * (slots + 1) // 2
        self.page = nn.Sequential(mlp(channels, 2 * wide, wide), nn.ReLU())
        self.page_click = nn.Linear(wide, 1)
        self.click_count = nn.Linear(wide, slots + 1)
        self.slot_click = mlp(4 * wide, wide, 1)

    def items(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
    ) -> Tensor:
        """Candidates as the evaluator sees them, the user in them: once for all slates.

        Returns:
            [B, M, W]; the other shapes as in `RerankBatch`.
        """
        users = self.features.users(user_dense, user_ids)
        vectors = self.features.candidates(candidate_dense, candidate_ids, candidate_mask)
        product = self.candidate_side(vectors) * self.user_side(users).unsqueeze(1)
        tiled = users.unsqueeze(1).expand(-1, vectors.size(1), -1)
        encoded: Tensor = self.item(torch.cat([vectors, tiled, product], dim=-1)).relu()
        return encoded

    def forward(self, items: Tensor, slates: Tensor) -> FeedbackLogits:
        """Judges slates.

        Args:
            items: [B, M, W]. From `items`.
            slates: [B, G, N'] int64 with N' <= shape.slots; -1 = empty slot.

        Returns:
            Logits for E = B * G slates, request by request, padded to shape.slots.
        """
        if slates.size(-1) > self.shape.slots:
            raise ValueError(f"slates have {slates.size(-1)} slots, not at most {self.shape.slots}")
        slates = functional.pad(slates, (0, self.shape.slots - slates.size(-1)), value=-1)
        page, mask = self._gather(items, slates)
        page = keep_dropout(page + self.slot_embedding, self.dropout)
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
        per_slot = torch.cat([page, attended, read, tiled], dim=-1)
        return FeedbackLogits(
            self.page_click(whole).squeeze(-1),
            self.click_count(whole),
            self.slot_click(per_slot).squeeze(-1),
        )

    @staticmethod
    def _gather(items: Tensor, slates: Tensor) -> tuple[Tensor, Tensor]:
        """[B, M, W], [B, G, N] -> pages [B*G, N, W] and masks [B*G, N]."""
        requests, group, slots = slates.shape
        chosen = slates.clamp(min=0).view(requests, group * slots, 1)
        gathered = items.gather(1, chosen.expand(-1, -1, items.size(-1)))
        return gathered.view(requests * group, slots, -1), slates.view(-1, slots) >= 0


def keep_dropout(page: Tensor, dropout: nn.Dropout) -> Tensor:
    """Drops whole features of a page alike in all slots, so that neighbours stay comparable."""
    dropped: Tensor = page * dropout(torch.ones_like(page[:, :1]))
    return dropped


def feedback_loss(logits: FeedbackLogits, clicks: Tensor, slot_mask: Tensor) -> Tensor:
    """Cross-entropy of the three heads, each a mean over pages: scalar.

    Args:
        logits: Of E pages padded to N slots.
        clicks: [E, N] float, 0 or 1.
        slot_mask: [E, N] bool. True = filled.
    """
    count = (clicks * slot_mask).sum(1)
    per_slot = functional.binary_cross_entropy_with_logits(
        logits.slot_click, clicks, reduction="none"
    )
    return (
        functional.binary_cross_entropy_with_logits(logits.page_click, (count > 0).to(clicks.dtype))
        + functional.cross_entropy(logits.click_count, count.long())
        + (per_slot * slot_mask).sum(1).mean() / slot_mask.sum(1).to(clicks.dtype).mean()
    )
