"""How attractive a candidate is by itself, for an ensemble of members that learn side by side.

Axes: K members, B requests, X places (all candidates of a request, or its shown slots), T terms.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gerank.data.schema import FeatureSchema
from gerank.nn.features import FeatureEncoder

PRODUCT_WIDTH, HIDDEN_WIDTH, FACET_WIDTH = 16, 32, 4
_UPSTREAM_EASE = 50.0
"""The linear weights of the upstream score are penalised so many times less than others."""


class ItemTerms(NamedTuple):
    """What is known of candidates before they stand anywhere.

    Attributes:
        strength: [K, B, X]. The item's own part of the logit, for this user.
        facets: [K, B, X, 2 * FACET_WIDTH]. What the item shows to its neighbours, and what it
            takes from the one above.
        page: [K, B]. The user's part of the logit, which is the same for all items.
    """

    strength: Tensor
    facets: Tensor
    page: Tensor


class Attraction(nn.Module):
    """strength = linear(c) + sum_k (P c)_k (Q u)_k + MLP([c; u]).

    c are a candidate's features (value, rank and z-score in its set; a weight per id; embeddings),
    u the user's. The linear part is wide; the product stands for user-item affinity, which an MLP
    of a concatenation learns slowly. Every part starts at zero effect.
    """

    upstream_ease: Tensor

    def __init__(
        self,
        schema: FeatureSchema,
        members: int,
        embedding_width: int,
        calibrated: tuple[str, ...] = (),
        score: str = "",
    ) -> None:
        super().__init__()
        self.members, self.width = members, embedding_width
        self.features = FeatureEncoder(schema, 0, calibrated)
        dense, users = 3 * len(schema.candidate_dense), len(schema.user_dense)
        ids, user_ids = len(schema.candidate_ids), len(schema.user_ids)
        rows = self.features.candidate_embedding.table.num_embeddings
        user_rows = self.features.user_embedding.table.num_embeddings
        wide = ids * embedding_width + dense
        user_wide = user_ids * embedding_width + users
        outputs = PRODUCT_WIDTH + HIDDEN_WIDTH + 2 * FACET_WIDTH
        self.linear = nn.Parameter(torch.zeros(members, dense))
        self.id_weight = nn.Parameter(torch.zeros(members, rows))
        self.embedding = nn.Parameter(0.1 * torch.randn(members, rows, embedding_width))
        self.side = nn.Parameter(_normal(members, wide, outputs))
        self.user_linear = nn.Parameter(torch.zeros(members, users))
        self.user_id_weight = nn.Parameter(torch.zeros(members, user_rows))
        self.user_embedding = nn.Parameter(0.1 * torch.randn(members, user_rows, embedding_width))
        self.user_side = nn.Parameter(_normal(members, user_wide, PRODUCT_WIDTH + HIDDEN_WIDTH))
        with torch.no_grad():
            self.user_side[..., :PRODUCT_WIDTH] = 0.0
        self.hidden_bias = nn.Parameter(torch.zeros(members, HIDDEN_WIDTH))
        self.last = nn.Parameter(torch.zeros(members, HIDDEN_WIDTH))
        self.bias = nn.Parameter(torch.zeros(members))
        ease = torch.ones(dense)
        names = [feature.name for feature in schema.candidate_dense]
        if score:
            ease[names.index(score) :: len(names)] = 1 / _UPSTREAM_EASE
        self.register_buffer("upstream_ease", ease)

    def forward(self, users: tuple[Tensor, Tensor], dense: Tensor, ids: Tensor) -> ItemTerms:
        """Terms of candidates.

        Args:
            users: Dense values [B, Fu] and ids [B, Iu] of the users, as logged.
            dense: [B, X, 3F]. Set features of the candidates, from `set_features`.
            ids: [B, X, I] int64. Ids of the candidates, as logged.
        """
        user_dense = self.features.user_scale(users[0])
        user_rows = self.features.user_embedding.rows(users[1])
        rows = self.features.candidate_embedding.rows(ids)
        side = _projected(dense, self.embedding, rows, self.side)  # [K, B, X, outputs]
        user_side = _projected(user_dense, self.user_embedding, user_rows, self.user_side)
        user_side = user_side.unsqueeze(2)
        both = PRODUCT_WIDTH + HIDDEN_WIDTH
        product, hidden, facets = side.tensor_split([PRODUCT_WIDTH, both], dim=-1)
        user_product, user_hidden = user_side.tensor_split([PRODUCT_WIDTH], dim=-1)
        hidden = torch.relu(hidden + user_hidden + self.hidden_bias[:, None, None])
        strength = (
            torch.einsum("bxf,kf->kbx", dense, self.linear)
            + self.id_weight[:, rows].sum(-1)
            + (product * user_product).sum(-1)
            + torch.einsum("kbxh,kh->kbx", hidden, self.last)
        )
        page = (
            self.bias[:, None]
            + torch.einsum("bf,kf->kb", user_dense, self.user_linear)
            + self.user_id_weight[:, user_rows].sum(-1)
        )
        return ItemTerms(strength, facets, page)

    def set_features(self, candidate_dense: Tensor, candidate_mask: Tensor) -> Tensor:
        """Values [B, M, F] and their mask [B, M] -> value, rank and z-score [B, M, 3F]."""
        scale = self.features.candidate_scale
        features: Tensor = torch.ops.gerank.set_features(
            self.features.calibration(candidate_dense), candidate_mask, scale.mean, scale.deviation
        )
        return features

    def prior(self) -> Tensor:
        """[K] squared norms under the prior: |lin|^2 + 4 |P|^2 + 4 |Q|^2 + 4 |MLP|^2 + |ids|^2."""
        wide = (
            (self.linear.square() * self.upstream_ease).sum(1)
            + self.id_weight.square().sum(1)
            + self.user_linear.square().sum(1)
            + self.user_id_weight.square().sum(1)
        )
        deep = (
            self.side.square().sum((1, 2))
            + self.user_side.square().sum((1, 2))
            + self.last.square().sum(1)
        )
        embeddings = self.embedding.square().sum((1, 2)) + self.user_embedding.square().sum((1, 2))
        return wide + 4 * deep + embeddings


def _normal(members: int, inputs: int, outputs: int) -> Tensor:
    return torch.randn(members, inputs, outputs) * 0.5 / math.sqrt(max(1, inputs))


def _projected(dense: Tensor, embedding: Tensor, rows: Tensor, weight: Tensor) -> Tensor:
    """[K, ..., O]: (values, embedded ids) times weights, one matrix product for all members.

    Args:
        dense: [..., F].
        embedding: [K, rows, W].
        rows: [..., I] int64.
        weight: [K, F + I * W, O].
    """
    members, _, outputs = weight.shape
    width = dense.size(-1)
    shared = weight[:, :width].transpose(0, 1).reshape(width, members * outputs)
    projected = (dense.flatten(0, -2) @ shared).view(-1, members, outputs).transpose(0, 1)
    if rows.size(-1):
        looked_up = embedding[:, rows.reshape(-1, rows.size(-1))].flatten(-2)  # [K, E, I * W]
        projected = torch.baddbmm(projected, looked_up, weight[:, width:])
    return projected.reshape(members, *dense.shape[:-1], outputs)
