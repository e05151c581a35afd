"""How attractive a candidate is by itself, for an ensemble of members that learn side by side.

Axes: K members, B requests, X places (all candidates of a request, or its shown slots), T terms.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gerank.data.schema import FeatureSchema
from gerank.nn.dense_views import dense_views
from gerank.nn.features import FeatureEncoder
from gerank.nn.list_pooling import ListPooling
from gerank.nn.small_tables import with_small_tables

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

    c are a candidate's features (value, rank and z-score in its set; a weight per id; embeddings;
    lists pooled as in `FeatureEncoder`, weights of their ids by the same shares), u the user's. The
    linear part is wide; the product stands for user-item affinity, which an MLP of a concatenation
    learns slowly. Every part starts at zero effect.
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
        self.features = FeatureEncoder(with_small_tables(schema), 0, calibrated)
        dense, users = self.features.dense_width, len(schema.user_dense)
        pooling, user_pooling = self._poolings()
        ids, user_ids = pooling.units, user_pooling.units
        rows = self.features.candidate_embedding.table.num_embeddings
        user_rows = self.features.user_embedding.table.num_embeddings
        wide = ids * embedding_width + dense
        user_wide = user_ids * embedding_width + users
        outputs = PRODUCT_WIDTH + HIDDEN_WIDTH + 2 * FACET_WIDTH
        asked = (members, dense + pooling.plain_units * embedding_width, embedding_width)
        if pooling.any_attention:
            lists = self.features.list_query.size(0)
            self.list_query = nn.Parameter(torch.zeros(asked[0], lists, *asked[1:]))
        if self.features.user_attends:
            lists = self.features.user_lists.count
            self.user_list_query = nn.Parameter(torch.zeros(asked[0], lists, *asked[1:]))
            wide += lists * embedding_width
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
        views = dense_views(schema.candidate, schema.blocks_of("candidate"))
        ease = torch.tensor([1 / _UPSTREAM_EASE if n == score else 1.0 for n, _ in views])
        self.register_buffer("upstream_ease", ease)

    def forward(self, users: tuple[Tensor, Tensor], dense: Tensor, ids: Tensor) -> ItemTerms:
        """Terms of candidates.

        Args:
            users: Dense values [B, Fu] and ids [B, Iu] of the users, as logged.
            dense: [B, X, D]. Set features of the candidates, from `set_features`.
            ids: [B, X, I] int64. Ids of the candidates, as logged.
        """
        user_dense = self.features.user_scale(users[0])
        user_rows = self.features.user_embedding.rows(users[1])
        rows = self.features.candidate_embedding.rows(ids)
        pooling, user_pooling = self._poolings()
        embedded, id_effect = self._looked_up(
            pooling, (self.embedding, self.id_weight), rows, ids, dense
        )
        user_embedded, user_effect = self._looked_up(
            user_pooling, (self.user_embedding, self.user_id_weight), user_rows, users[1], None
        )
        if self.features.user_attends:
            looked = self._looked_at(users[1], rows, dense)
            embedded = torch.cat([embedded, looked.flatten(1, 2)], dim=-1)
        side = _projected(dense, embedded, self.side)  # [K, B, X, outputs]
        user_side = _projected(user_dense, user_embedded, self.user_side)
        user_side = user_side.unsqueeze(2)
        both = PRODUCT_WIDTH + HIDDEN_WIDTH
        product, hidden, facets = side.tensor_split([PRODUCT_WIDTH, both], dim=-1)
        user_product, user_hidden = user_side.tensor_split([PRODUCT_WIDTH], dim=-1)
        hidden = torch.relu(hidden + user_hidden + self.hidden_bias[:, None, None])
        strength = (
            torch.einsum("bxf,kf->kbx", dense, self.linear)
            + id_effect
            + (product * user_product).sum(-1)
            + torch.einsum("kbxh,kh->kbx", hidden, self.last)
        )
        page = (
            self.bias[:, None]
            + torch.einsum("bf,kf->kb", user_dense, self.user_linear)
            + user_effect
        )
        return ItemTerms(strength, facets, page)

    def set_features(self, candidate_dense: Tensor, candidate_mask: Tensor) -> Tensor:
        """Values [B, M, F] and their mask [B, M] -> [B, M, D], see `FeatureEncoder.set_vectors`."""
        return self.features.set_vectors(candidate_dense, candidate_mask)

    def _poolings(self) -> tuple[ListPooling, ListPooling]:
        return self.features.candidate_embedding.pooling, self.features.user_embedding.pooling

    def _looked_up(
        self,
        pooling: ListPooling,
        tables: tuple[Tensor, Tensor],
        rows: Tensor,
        ids: Tensor,
        dense: Tensor | None,
    ) -> tuple[Tensor, Tensor]:
        """Embeddings of ids, and what their rows are worth by themselves.

        Args:
            pooling: Pools the lists of the side that the ids belong to.
            tables: Embeddings [K, rows, W] and weights [K, rows].
            rows: [..., I] int64. Rows of the ids.
            ids: [..., I] int64.
            dense: [..., D]. Set features of candidates, which attention asks with.

        Returns:
            [K, E, U * W] of all E places, and [K, ...].
        """
        embedding, weight = tables
        if rows.size(-1) == 0:
            places = rows.shape[:-1]
            empty = embedding.new_zeros(self.members, places.numel(), 0)
            return empty, weight.new_zeros(self.members, *places)
        entries = embedding[:, rows.reshape(-1, rows.size(-1))]  # [K, E, I, W]
        if not pooling.any_lists:
            return entries.flatten(-2), weight[:, rows].sum(-1)
        flat = ids.reshape(-1, ids.size(-1))
        if pooling.any_attention and dense is not None:
            seen = dense.flatten(0, -2).expand(self.members, -1, -1)
            seen = torch.cat([seen, pooling.plain(entries)], dim=-1)
            queries = torch.einsum("kex,kaxw->keaw", seen, self.list_query)
            shares = pooling.attention_weights(flat, pooling.scores(entries, queries))
        else:
            shares = pooling.entry_weights(flat)
        effect = (weight[:, rows] * shares.view(-1, *rows.shape)).sum(-1)
        return pooling(entries, shares), effect

    def _looked_at(self, user_ids: Tensor, rows: Tensor, dense: Tensor) -> Tensor:
        """[K, B, X, A * W] what candidates see of their user's lists with attention.

        Args:
            user_ids: [B, Iu] int64.
            rows: [B, X, I] int64. Rows of the candidates' ids.
            dense: [B, X, D]. Set features of the candidates.
        """
        lists = self.features.user_lists
        held = user_ids.index_select(1, lists.columns)
        their_rows = self.features.user_embedding.rows(user_ids).index_select(1, lists.columns)
        plain = self._poolings()[0].plain(self.embedding[:, rows])
        seen = torch.cat([dense.expand(self.members, -1, -1, -1), plain], dim=-1)
        queries = torch.einsum("kbxf,kafw->kbxaw", seen, self.user_list_query)
        looked: Tensor = lists(self.user_embedding[:, their_rows], held, queries)
        return looked

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
        if self.features.attends:
            deep = deep + self.list_query.square().sum((1, 2, 3))
        if self.features.user_attends:
            deep = deep + self.user_list_query.square().sum((1, 2, 3))
        embeddings = self.embedding.square().sum((1, 2)) + self.user_embedding.square().sum((1, 2))
        return wide + 4 * deep + embeddings


def _normal(members: int, inputs: int, outputs: int) -> Tensor:
    return torch.randn(members, inputs, outputs) * 0.5 / math.sqrt(max(1, inputs))


def _projected(dense: Tensor, embedded: Tensor, weight: Tensor) -> Tensor:
    """[K, ..., O]: (values, embedded ids) times weights, one matrix product for all members.

    Args:
        dense: [..., F].
        embedded: [K, E, U * W]. E is the number of places that `dense` has.
        weight: [K, F + U * W, O].
    """
    members, _, outputs = weight.shape
    width = dense.size(-1)
    shared = weight[:, :width].transpose(0, 1).reshape(width, members * outputs)
    projected = (dense.flatten(0, -2) @ shared).view(-1, members, outputs).transpose(0, 1)
    if embedded.size(-1):
        projected = torch.baddbmm(projected, embedded, weight[:, width:])
    return projected.reshape(members, *dense.shape[:-1], outputs)
