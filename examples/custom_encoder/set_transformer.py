"""An encoder of one's own for gerank: candidates that look at each other.

    [generator]
    encoder = "set_transformer:SetTransformer"

    $ PYTHONPATH=examples/custom_encoder gerank train train.toml --out runs/attention

Self-attention without positions, so that it is blind to the candidates' order as the DeepSet is
(Lee et al., "Set Transformer", 2019).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class SetTransformer(nn.Module):
    """Two blocks of self-attention over the candidates of a page, and their mean."""

    def __init__(self, candidate_width: int, user_width: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Linear(candidate_width + user_width, width)
        self.blocks = nn.ModuleList([Block(width) for _ in range(2)])
        self.leave = nn.Linear(width, width)

    def forward(self, candidates: Tensor, users: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Candidates [B, M, X], users [B, Xu], mask [B, M] bool -> e [B, M, D], e_c [B, D]."""
        tiled = users.unsqueeze(1).expand(-1, candidates.size(1), -1)
        real = mask.unsqueeze(-1)
        inputs = torch.where(real, candidates, torch.zeros_like(candidates))
        items = self.enter(torch.cat([inputs, tiled], dim=-1))
        for block in self.blocks:
            items = block(items, mask)
        items = torch.where(real, items, torch.zeros_like(items))
        count = mask.sum(1, keepdim=True).clamp(min=1).to(items.dtype)
        return items, torch.tanh(self.leave(items.sum(1) / count))


class Block(nn.Module):
    """Attention and a small network, each added to what it reads."""

    def __init__(self, width: int, heads: int = 4) -> None:
        super().__init__()
        self.heads = heads
        self.look, self.think = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.network = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )

    def forward(self, items: Tensor, mask: Tensor) -> Tensor:
        """Items [B, M, D], mask [B, M] bool -> [B, M, D]."""
        requests, count, width = items.size(0), items.size(1), items.size(2)
        shape = (requests, count, 3, self.heads, width // self.heads)
        query, key, value = (
            self.project(self.look(items)).view(shape).permute(2, 0, 3, 1, 4).unbind(0)
        )
        seen = mask[:, None, None, :]  # [B, 1, 1, M]: nobody looks at padding
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=seen)
        joined = mixed.transpose(1, 2).reshape(requests, count, width)
        items = items + self.join(joined)
        added: Tensor = items + self.network(self.think(items))
        return added
