"""The five ways in which the evaluator looks at a page.

Each channel maps X [E, N, X] and its mask [E, N] (True = a slot that is filled) to a vector per
page [E, W]; `SlotMlp`, `SelfAttention` and `Recurrent` also give a vector per slot.
"""

from __future__ import annotations

from enum import StrEnum

import torch
from torch import Tensor, nn

from gerank.nn.layers import mlp


class Channel(StrEnum):
    """The five ways by name."""

    POOLING = "pooling"
    SLOT_MLP = "slot_mlp"
    ATTENTION = "attention"
    GRU = "gru"
    PAIRS = "pairs"


def keep(values: Tensor, mask: Tensor) -> Tensor:
    """[E, N, X] with empty slots set to zero."""
    return torch.where(mask.unsqueeze(-1), values, torch.zeros_like(values))


class SumPooling(nn.Module):
    """What is on the page, in any order."""

    def forward(self, page: Tensor, mask: Tensor) -> Tensor:
        """[E, N, X] -> [E, X], scaled by the number of slots."""
        return keep(page, mask).sum(1) / page.size(1)


class SlotMlp(nn.Module):
    """What stands where: an MLP per slot, concatenated."""

    def __init__(self, width: int, slot_width: int) -> None:
        super().__init__()
        self.per_slot = mlp(width, slot_width)

    def forward(self, page: Tensor, mask: Tensor) -> Tensor:
        """[E, N, X] -> [E, N * slot_width]."""
        return keep(self.per_slot(page).relu(), mask).flatten(1)


class SelfAttention(nn.Module):
    """What stands beside what, at any distance."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.project = nn.Linear(width, 3 * width)
        self.mix = nn.Linear(width, width)

    def forward(self, page: Tensor, mask: Tensor) -> Tensor:
        """[E, N, X] -> per slot [E, N, X], empty slots zero; sum over slots is the page's."""
        pages, slots, width = page.shape
        split = self.project(page).view(pages, slots, 3, self.heads, width // self.heads)
        query, key, value = split.permute(2, 0, 3, 1, 4)  # each [E, heads, N, X / heads]
        itself = torch.eye(slots, dtype=torch.bool, device=mask.device)
        allowed = mask.view(pages, 1, 1, slots) | itself
        mixed = nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=allowed)
        return keep(self.mix(mixed.transpose(1, 2).reshape(pages, slots, width)), mask)


class Recurrent(nn.Module):
    """What was seen before what: a GRU that reads the page from the top."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.gru = nn.GRU(width, width, batch_first=True)

    def forward(self, page: Tensor, mask: Tensor) -> Tensor:
        """[E, N, X] -> per slot [E, N, X], empty slots zero; sum over slots is the page's."""
        outputs: Tensor = self.gru(keep(page, mask))[0]
        return keep(outputs, mask)


class PairwiseProducts(nn.Module):
    """How alike any two items are: vec(X X^T), the upper triangle."""

    def __init__(self, slots: int) -> None:
        super().__init__()
        upper = torch.triu_indices(slots, slots)
        self.register_buffer("pairs", upper[0] * slots + upper[1], persistent=False)

    def forward(self, page: Tensor, mask: Tensor) -> Tensor:
        """[E, N, X] -> [E, N (N + 1) / 2]."""
        page = keep(page, mask)
        products: Tensor = page @ page.transpose(1, 2) / page.size(2) ** 0.5
        return products.flatten(1).index_select(1, self.get_buffer("pairs"))
