"""A network of one's own in gerank's evaluator: slots that look at themselves and at those above.

    [evaluator]
    network = "page_transformer:PageTransformer"

    $ PYTHONPATH=examples/custom_evaluator gerank train train.toml --out runs/page

Causal self-attention over the slots of a page with learnt places (Vaswani et al., "Attention is all
you need", 2017).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention


class PageTransformer(nn.Module):
    """One block of causal self-attention over the shown items, and a logit for each."""

    def __init__(
        self, candidate_width: int, user_width: int, slots: int, width: int = 32, heads: int = 4
    ) -> None:
        super().__init__()
        self.heads = heads
        self.enter = nn.Linear(candidate_width + user_width, width)
        self.places = nn.Parameter(torch.zeros(slots, width))
        self.look, self.think = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.network = nn.Sequential(
            nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width)
        )
        self.leave = nn.Linear(width, 1)
        nn.init.normal_(self.leave.weight, std=0.01)

    def forward(self, items: Tensor, users: Tensor, mask: Tensor) -> Tensor:
        """Items [E, N, X], users [E, Xu], mask [E, N] bool -> logits [E, N]."""
        pages, slots = mask.shape
        tiled = users.unsqueeze(1).expand(-1, slots, -1)
        shown = self.enter(torch.cat([items, tiled], dim=-1)) + self.places[:slots]
        shape = (pages, slots, 3, self.heads, -1)
        query, key, value = (
            self.project(self.look(shown)).view(shape).permute(2, 0, 3, 1, 4).unbind(0)
        )
        above = torch.ones(slots, slots, dtype=torch.bool, device=mask.device).tril()
        itself = torch.eye(slots, dtype=torch.bool, device=mask.device)
        seen = (above & mask.unsqueeze(1)) | itself  # [E, N, N]: an empty slot sees itself at least
        mixed = scaled_dot_product_attention(query, key, value, attn_mask=seen.unsqueeze(1))
        shown = shown + self.join(mixed.transpose(1, 2).reshape(pages, slots, -1))
        shown = shown + self.network(self.think(shown))
        logits: Tensor = self.leave(shown).squeeze(-1)
        return logits
