"""Raw features to vectors: standardised, placed in their candidate set, embedded."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

import gerank.ops  # noqa: F401  loads torch.ops.gerank.set_features
from gerank.data.feature_block import Block, Pool, id_units
from gerank.data.schema import Feature, FeatureSchema
from gerank.nn.calibration import ScoreCalibration
from gerank.nn.dense_views import context_columns, dense_views
from gerank.nn.list_pooling import ListPooling, unit_of_columns
from gerank.nn.user_lists import UserLists

_MOST_DENSE_ROWS = 1 << 16
"""Below, a step over the whole table is as fast as one over the rows that were looked up."""


class DenseScale(nn.Module):
    """Standardises dense columns by the mean and deviation of the training pages."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(width))
        self.register_buffer("deviation", torch.ones(width))

    @torch.jit.unused
    def fit(self, parts: Callable[[], Iterable[Tensor]]) -> None:
        """Takes mean and deviation of all rows. A constant column keeps deviation 1.

        Args:
            parts: Gives the rows in parts [E, F]; it is called twice.
        """
        count, total = 0, torch.zeros(self.mean.shape, dtype=torch.float64)
        for rows in parts():
            count, total = count + len(rows), total + rows.double().sum(0)
        mean, squares = total / max(1, count), torch.zeros_like(total)
        for rows in parts():
            squares += (rows - mean).square().sum(0)
        deviation = (squares / max(1, count)).sqrt()
        self.mean.copy_(mean)
        self.deviation.copy_(torch.where(deviation > 1e-6, deviation, torch.ones_like(deviation)))

    def forward(self, values: Tensor) -> Tensor:
        """[..., F] -> [..., F]; beyond six deviations a value carries no more information."""
        return ((values - self.mean) / self.deviation).clamp(-6.0, 6.0)


class IdEmbedding(nn.Module):
    """All id columns of one side, looked up in one table: [..., I] int64 -> [..., width].

    A column by itself has `width` numbers, and so has a list of columns, which share their rows;
    without attention (see `FeatureEncoder`) all entries of a list count alike.
    """

    __constants__ = ("any_hashed", "width")
    offsets: Tensor
    sizes: Tensor
    hashed: Tensor

    def __init__(
        self,
        features: tuple[Feature, ...],
        width: int,
        blocks: tuple[Block, ...] = (),
        *,
        sparse: bool = False,
    ) -> None:
        """`blocks` belong to the same side; `sparse` as in `FeatureEncoder`."""
        super().__init__()
        units = id_units(features, blocks)
        sizes = torch.tensor([feature.vocabulary for feature in features], dtype=torch.int64)
        rows = torch.tensor([unit.feature.vocabulary for unit in units], dtype=torch.int64)
        self.pooling = ListPooling(units)
        self.register_buffer("sizes", sizes)
        self.register_buffer("offsets", (rows.cumsum(0) - rows)[unit_of_columns(units)])
        self.register_buffer("hashed", torch.tensor([f.hashed for f in features], dtype=torch.bool))
        self.any_hashed = any(feature.hashed for feature in features)
        total = max(1, int(rows.sum()))
        self.table = nn.Embedding(total, width, sparse=sparse and total > _MOST_DENSE_ROWS)
        nn.init.normal_(self.table.weight, std=0.1)
        self.width = width * len(units)

    def rows(self, ids: Tensor) -> Tensor:
        """[..., I] row of the table per id: hashed ids fall into buckets; fixed ones are rows."""
        rows = ids
        if self.any_hashed:
            mix = -7046029254386353131  # 2^64 / golden ratio: spreads ids that share low bits
            spread = ((ids * mix) >> 33) & 0x7FFFFFFF
            rows = torch.where(self.hashed, spread % self.sizes, ids)
        return rows + self.offsets

    def forward(self, ids: Tensor) -> Tensor:
        """See the class."""
        embedded: Tensor = self.table(self.rows(ids))
        if self.pooling.any_lists:
            pooled: Tensor = self.pooling(embedded, self.pooling.entry_weights(ids))
        else:
            pooled = embedded.flatten(-2)
        return pooled


class FeatureEncoder(nn.Module):
    """Features of users and candidates as vectors.

    Context augmentation: beside each dense feature stand its rank within the candidate set
    (0..1, ties averaged) and its z-score there, so that a model need not know the scale of today's
    upstream scores; the columns of a vector are left without, unless its block asks for it.
    Features named in `calibrated` go through their monotone map before that.

    The entries of a candidate's list with attention are weighed by a softmax of products of their
    embeddings with a linear map of the candidate's other features (dense ones and ids that are no
    lists). The map starts at zero, where attention is the mean. A user's list with attention is
    its mean among the user's features, and is pooled once more for every candidate, by another such
    map: what that gives stands behind the candidate's own features.
    """

    __constants__ = ("any_alone", "attends", "user_attends")
    context_columns: Tensor
    alone_columns: Tensor

    def __init__(
        self,
        schema: FeatureSchema,
        embedding_width: int,
        calibrated: tuple[str, ...] = (),
        *,
        sparse: bool = False,
    ) -> None:
        """`sparse`: large tables have sparse gradients, see `gerank.train.table_adam`."""
        super().__init__()
        dense = [feature.name for feature in schema.candidate_dense]
        users, candidates = schema.blocks_of("user"), schema.blocks_of("candidate")
        self.calibration = ScoreCalibration(tuple(dense.index(name) for name in calibrated))
        self.user_scale = DenseScale(len(schema.user_dense))
        self.user_embedding = IdEmbedding(schema.user_ids, embedding_width, users, sparse=sparse)
        self.candidate_scale = DenseScale(len(schema.candidate_dense))
        self.candidate_embedding = IdEmbedding(
            schema.candidate_ids, embedding_width, candidates, sparse=sparse
        )
        context, alone = context_columns(schema.candidate, candidates)
        self.any_alone = bool(alone)
        if self.any_alone:
            for name, columns in (("context_columns", context), ("alone_columns", alone)):
                places = torch.tensor(columns, dtype=torch.int64)
                self.register_buffer(name, places, persistent=False)
        self.user_width = len(schema.user_dense) + self.user_embedding.width
        self.dense_width = len(dense_views(schema.candidate, candidates))
        self.candidate_width = self.dense_width + self.candidate_embedding.width
        pooling = self.candidate_embedding.pooling
        inputs = self.dense_width + pooling.plain_units * embedding_width
        self.attends = pooling.any_attention
        if self.attends:
            lists = sum(block.pool is Pool.ATTENTION for block in candidates)
            self.list_query = nn.Parameter(torch.zeros(lists, inputs, embedding_width))
        looked_at = sum(block.pool is Pool.ATTENTION for block in users)
        self.user_attends = looked_at > 0
        if self.user_attends:
            self.user_lists = UserLists(id_units(schema.user_ids, users))
            self.candidate_width += looked_at * embedding_width
            self.user_list_query = nn.Parameter(torch.zeros(looked_at, inputs, embedding_width))

    def users(self, dense: Tensor, ids: Tensor) -> Tensor:
        """Values [B, Fu] and ids [B, Iu] -> x_u [B, user_width]."""
        scaled: Tensor = self.user_scale(dense)
        if self.user_embedding.width == 0:
            return scaled
        return torch.cat([scaled, self.user_embedding(ids)], dim=-1)

    def candidates(self, dense: Tensor, ids: Tensor, mask: Tensor, user_ids: Tensor) -> Tensor:
        """Features of candidates, in view of their page's user.

        Args:
            dense: [B, M, F].
            ids: [B, M, I] int64.
            mask: [B, M] bool. True = real.
            user_ids: [B, Iu] int64. Holds the lists of the users that candidates attend to.

        Returns:
            x_i [B, M, candidate_width], padding 0.
        """
        vectors = self.set_vectors(dense, mask)
        if self.attends or self.user_attends:
            embedded = self._attended(vectors, ids, user_ids)
        elif self.candidate_embedding.width == 0:
            return vectors
        else:
            embedded = self.candidate_embedding(ids)
        real = mask.unsqueeze(-1)
        return torch.cat([vectors, torch.where(real, embedded, torch.zeros_like(embedded))], dim=-1)

    def set_vectors(self, dense: Tensor, mask: Tensor) -> Tensor:
        """The dense part: values [B, M, F] and their mask [B, M] -> [B, M, dense_width].

        Values, ranks and z-scores of the columns in context, then the values of the others, as
        `gerank.nn.dense_views` lists them; padding is 0.
        """
        values = self.calibration(dense)
        mean, deviation = self.candidate_scale.mean, self.candidate_scale.deviation
        if self.any_alone:
            context, real = self.context_columns, mask.unsqueeze(-1)
            placed = torch.ops.gerank.set_features(
                values.index_select(2, context),
                mask,
                mean.index_select(0, context),
                deviation.index_select(0, context),
            )
            alone = self.candidate_scale(values).index_select(2, self.alone_columns)
            alone = torch.where(real, alone, torch.zeros_like(alone))
            vectors: Tensor = torch.cat([placed, alone], dim=-1)
        else:
            vectors = torch.ops.gerank.set_features(values, mask, mean, deviation)
        return vectors

    def _attended(self, vectors: Tensor, ids: Tensor, user_ids: Tensor) -> Tensor:
        """Embeddings [B, M, ...] of the candidates' ids, and what they see of the user's lists."""
        pooling = self.candidate_embedding.pooling
        entries: Tensor = self.candidate_embedding.table(self.candidate_embedding.rows(ids))
        seen = torch.cat([vectors, pooling.plain(entries)], dim=-1)
        if self.attends:
            queries = torch.einsum("bmx,axw->bmaw", seen, self.list_query)
            weights = pooling.attention_weights(ids, pooling.scores(entries, queries))
            embedded: Tensor = pooling(entries, weights)
        elif pooling.any_lists:
            embedded = pooling(entries, pooling.entry_weights(ids))
        else:
            embedded = entries.flatten(-2)
        if self.user_attends:
            columns = self.user_lists.columns
            rows = self.user_embedding.rows(user_ids).index_select(1, columns)
            queries = torch.einsum("bmx,axw->bmaw", seen, self.user_list_query)
            held = user_ids.index_select(1, columns)
            looked: Tensor = self.user_lists(self.user_embedding.table(rows), held, queries)
            embedded = torch.cat([embedded, looked], dim=-1)
        return embedded


def set_zscores(values: Tensor, mask: Tensor) -> Tensor:
    """z-score [B, M, F] of each value [B, M, F] within its set; 0 where the set agrees.

    mask is [B, M] bool: True = real; at padding the z-score is 0.
    """
    width = values.size(2)
    zeros, ones = values.new_zeros(width), values.new_ones(width)
    features: Tensor = torch.ops.gerank.set_features(values, mask, zeros, ones)
    return features[:, :, 2 * width :]
