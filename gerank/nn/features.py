"""Raw features to vectors: standardised, placed in their candidate set, embedded."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn

import gerank.ops  # noqa: F401  loads torch.ops.gerank.set_features
from gerank.data.schema import Feature, FeatureSchema
from gerank.nn.calibration import ScoreCalibration


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
    """All id columns of one side, looked up in one table: [..., I] int64 -> [..., I * width]."""

    __constants__ = ("any_hashed", "width")
    offsets: Tensor
    sizes: Tensor
    hashed: Tensor

    def __init__(self, features: tuple[Feature, ...], width: int) -> None:
        super().__init__()
        sizes = torch.tensor([feature.vocabulary for feature in features], dtype=torch.int64)
        self.register_buffer("sizes", sizes)
        self.register_buffer("offsets", sizes.cumsum(0) - sizes)
        self.register_buffer("hashed", torch.tensor([f.hashed for f in features], dtype=torch.bool))
        self.any_hashed = any(feature.hashed for feature in features)
        self.table = nn.Embedding(max(1, int(sizes.sum())), width)
        nn.init.normal_(self.table.weight, std=0.1)
        self.width = width * len(features)

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
        return embedded.flatten(-2)


class FeatureEncoder(nn.Module):
    """Features of users and candidates as vectors.

    Context augmentation: beside each dense feature stand its rank within the candidate set
    (0..1, ties averaged) and its z-score there, so that a model need not know the scale of today's
    upstream scores. Features named in `calibrated` go through their monotone map before that.
    """

    def __init__(
        self, schema: FeatureSchema, embedding_width: int, calibrated: tuple[str, ...] = ()
    ) -> None:
        super().__init__()
        dense = [feature.name for feature in schema.candidate_dense]
        self.calibration = ScoreCalibration(tuple(dense.index(name) for name in calibrated))
        self.user_scale = DenseScale(len(schema.user_dense))
        self.user_embedding = IdEmbedding(schema.user_ids, embedding_width)
        self.candidate_scale = DenseScale(len(schema.candidate_dense))
        self.candidate_embedding = IdEmbedding(schema.candidate_ids, embedding_width)
        self.user_width = len(schema.user_dense) + self.user_embedding.width
        self.candidate_width = 3 * len(schema.candidate_dense) + self.candidate_embedding.width

    def users(self, dense: Tensor, ids: Tensor) -> Tensor:
        """Values [B, Fu] and ids [B, Iu] -> x_u [B, user_width]."""
        scaled: Tensor = self.user_scale(dense)
        if self.user_embedding.width == 0:
            return scaled
        return torch.cat([scaled, self.user_embedding(ids)], dim=-1)

    def candidates(self, dense: Tensor, ids: Tensor, mask: Tensor) -> Tensor:
        """Values [B, M, F], ids [B, M, I] -> x_i [B, M, candidate_width], padding 0."""
        scale = self.candidate_scale
        vectors: Tensor = torch.ops.gerank.set_features(
            self.calibration(dense), mask, scale.mean, scale.deviation
        )
        if self.candidate_embedding.width == 0:
            return vectors
        embedded = self.candidate_embedding(ids)
        real = mask.unsqueeze(-1)
        return torch.cat([vectors, torch.where(real, embedded, torch.zeros_like(embedded))], dim=-1)


def set_zscores(values: Tensor, mask: Tensor) -> Tensor:
    """z-score [B, M, F] of each value [B, M, F] within its set; 0 where the set agrees.

    mask is [B, M] bool: True = real; at padding the z-score is 0.
    """
    width = values.size(2)
    zeros, ones = values.new_zeros(width), values.new_ones(width)
    features: Tensor = torch.ops.gerank.set_features(values, mask, zeros, ones)
    return features[:, :, 2 * width :]
