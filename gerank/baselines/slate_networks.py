"""Networks that judge whole slates: which clicks they bring, and whether they look logged."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gerank.baselines.rerank_network import share_scales
from gerank.data.batch import ExposureBatch
from gerank.data.schema import FeatureSchema
from gerank.nn.features import FeatureEncoder
from gerank.nn.layers import mlp


class SlateNetwork(nn.Module):
    """Shared by all: vectors of what stands at the slots of slates.

    Attributes:
        inputs: How many numbers a slot has: those of its item and of the user.
    """

    def __init__(self, schema: FeatureSchema, embedding_width: int, fitted: FeatureEncoder) -> None:
        """`fitted`: an encoder of the same schema, whose scales are taken over."""
        super().__init__()
        self.features = FeatureEncoder(schema, embedding_width, sparse=True)
        share_scales(fitted, self.features)
        self.inputs = self.features.candidate_width + self.features.user_width

    def placed(self, pages: ExposureBatch, slates: Tensor) -> tuple[Tensor, Tensor]:
        """Vectors [B * G, N, X + Xu] of slates [B, G, N], 0 where empty; and the mask of slots."""
        requests, group, slots = slates.shape
        users = self.features.users(pages.user_dense, pages.user_ids)
        candidates = self.features.candidates(
            pages.candidate_dense, pages.candidate_ids, pages.candidate_mask, pages.user_ids
        )
        chosen = slates.clamp(min=0).view(requests, -1, 1)
        items = candidates.gather(1, chosen.expand(-1, -1, candidates.size(2)))
        tiled = users.unsqueeze(1).expand(-1, items.size(1), -1)
        mask = (slates >= 0).view(requests * group, slots)
        vectors = torch.cat([items, tiled], dim=-1).view(requests * group, slots, -1)
        return vectors * mask.unsqueeze(-1), mask


class SequenceJudge(SlateNetwork):
    """A logit per slot, of its item and of an LSTM that read the slate from its top to there."""

    def __init__(
        self, schema: FeatureSchema, width: int, embedding_width: int, fitted: FeatureEncoder
    ) -> None:
        super().__init__(schema, embedding_width, fitted)
        self.project = nn.Sequential(nn.Linear(self.inputs, width), nn.ReLU())
        self.reader = nn.LSTM(width, width, batch_first=True)
        self.score = mlp(2 * width, width, 1)

    def forward(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """[B, G, N] logits of slates [B, G, N]; without meaning at empty slots."""
        vectors, _ = self.placed(pages, slates)
        items = self.project(vectors)
        read, _ = self.reader(items)
        logits: Tensor = self.score(torch.cat([items, read], dim=-1))
        return logits.view(slates.shape)

    def expected_clicks(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """[B, G] sum of sigma over the filled slots."""
        return (torch.sigmoid(self(pages, slates)) * (slates >= 0)).sum(-1)
