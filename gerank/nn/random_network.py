"""The two networks of random network distillation, over states and choices of a slate."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gerank.data.batch import ExposureBatch
from gerank.data.schema import FeatureSchema
from gerank.nn.features import FeatureEncoder
from gerank.nn.layers import mlp
from gerank.nn.small_tables import with_small_tables


class RandomNetworks(nn.Module):
    """A fixed random network and one that learns to predict it.

    Both see, per slot, the choice and the state it was made in: user, mean of the candidate set,
    mean of what stands before, and the slot's relative place. Features come from an encoder of
    their own that never learns: what is novel must not change because the policy learns.
    """

    def __init__(
        self, schema: FeatureSchema, slots: int, width: int = 64, embedding_width: int = 8
    ) -> None:
        super().__init__()
        self.slots = slots
        self.features = FeatureEncoder(with_small_tables(schema), embedding_width).requires_grad_(
            False
        )
        for embedding in (self.features.user_embedding, self.features.candidate_embedding):
            nn.init.normal_(embedding.table.weight, std=1.0)  # groups count as much as scores
        inputs = self.features.user_width + 3 * self.features.candidate_width + 1
        self.target = mlp(inputs, width, width).requires_grad_(False)
        self.predictor = mlp(inputs, width, width, width)

    def forward(self, pages: ExposureBatch, slates: Tensor) -> tuple[Tensor, Tensor]:
        """What both networks answer.

        Args:
            pages: B candidate sets.
            slates: [B, G, N] int64; -1 = empty.

        Returns:
            Target and prediction, each [B, G, N, W].
        """
        seen = self._inputs(pages, slates)
        return self.target(seen), self.predictor(seen)

    @torch.no_grad()
    def _inputs(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        requests, group, slots = slates.shape
        user = self.features.users(pages.user_dense, pages.user_ids)
        items = self.features.candidates(
            pages.candidate_dense, pages.candidate_ids, pages.candidate_mask, pages.user_ids
        )
        index = slates.clamp(min=0).flatten(1).unsqueeze(-1).expand(-1, -1, items.size(-1))
        chosen = items.gather(1, index).view(requests, group, slots, -1)
        chosen = chosen * (slates >= 0).unsqueeze(-1)
        count = torch.arange(slots, device=slates.device)
        before = (chosen.cumsum(2) - chosen) / count.clamp(min=1).view(-1, 1)
        real = pages.candidate_mask.sum(1, keepdim=True).clamp(min=1)
        page = torch.cat([user, items.sum(1) / real], dim=-1).view(requests, 1, 1, -1)
        place = (count / self.slots).view(1, 1, slots, 1).expand(requests, group, -1, -1)
        return torch.cat([page.expand(-1, group, slots, -1), before, chosen, place], dim=-1)
