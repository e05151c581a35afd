"""The list that upstream would show, which some re-rankers read from its top to its bottom."""

import torch
from torch import Tensor, nn

from gerank.data.batch import Features
from gerank.data.schema import FeatureSchema


class InitialOrder(nn.Module):
    """Candidates by a falling upstream score; in the order of the request where there is none.

    Ties stay in the order of the request, which for a page of a log is by name.
    """

    def __init__(self, schema: FeatureSchema, score: str | None) -> None:
        """`score`: a dense candidate feature; None = upstream has no score.

        Raises:
            ValueError: The schema has no such feature.
        """
        super().__init__()
        names = [feature.name for feature in schema.candidate_dense]
        if score is not None and score not in names:
            raise ValueError(f"score feature {score!r} is not one of {', '.join(names)}")
        self.known = score is not None
        self.column = names.index(score) if score is not None else -1

    def forward(self, features: Features) -> Tensor:
        """[B, M] int64 the place of every candidate in the list, from 0; padding comes last."""
        mask = features.candidate_mask
        key = torch.zeros_like(mask, dtype=torch.float32)
        if self.known:
            key = features.candidate_dense[:, :, self.column].float()
        key = key.masked_fill(~mask, -float("inf"))
        order = key.argsort(dim=1, descending=True, stable=True)
        return order.argsort(dim=1)

    def ordinals(self, features: Features) -> Tensor:
        """[B, M] int64 the same where upstream has a score; 0 for all where it has none."""
        ranks = self.forward(features)
        return ranks if self.known else torch.zeros_like(ranks)


def at_ranks(values: Tensor, ranks: Tensor) -> Tensor:
    """[B, M, D] of values [B, M, D] by candidate: the candidate of rank r stands at place r."""
    order = ranks.argsort(dim=1).unsqueeze(-1)
    return values.gather(1, order.expand(-1, -1, values.size(2)))


def by_candidate(values: Tensor, ranks: Tensor) -> Tensor:
    """The inverse of `at_ranks`."""
    return values.gather(1, ranks.unsqueeze(-1).expand(-1, -1, values.size(2)))
