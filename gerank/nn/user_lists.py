"""Users' lists as every candidate sees them: what a person did last, weighed by what is offered.

Zhou et al., "Deep interest network for click-through rate prediction", KDD 2018, whose activation
unit is a product here.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from gerank.data.feature_block import IdUnit, Pool
from gerank.nn.list_pooling import ListPooling


class UserLists(nn.Module):
    """Pools the users' lists with attention, once for every candidate.

    Axes: A lists with attention, I their columns, W the width of an embedding. State dictionaries
    know nothing of it.
    """

    __constants__ = ("count",)
    columns: Tensor

    def __init__(self, units: tuple[IdUnit, ...]) -> None:
        """`units` are those of the user, of which only lists with attention are pooled here."""
        super().__init__()
        lists = [unit for unit in units if unit.pool is Pool.ATTENTION]
        columns: list[int] = []
        own = []
        for unit in lists:
            places = tuple(range(len(columns), len(columns) + len(unit.columns)))
            columns += unit.columns
            own.append(replace(unit, columns=places))
        self.count = len(lists)
        self.pooling = ListPooling(tuple(own))
        if lists:
            held = torch.tensor(columns, dtype=torch.int64)
            self.register_buffer("columns", held, persistent=False)

    def forward(self, entries: Tensor, ids: Tensor, queries: Tensor) -> Tensor:
        """What candidates see of the lists of their page's user.

        Args:
            entries: [..., B, I, W]. Embeddings of the entries.
            ids: [B, I] int64. The entries, as logged.
            queries: [..., B, X, A, W]. What the X candidates of a page ask with.

        Returns:
            [..., B, X, A * W]; 0 where a list has no entry.
        """
        several = queries[..., :1, :1]  # [..., B, X, 1, 1]
        embedded = entries.unsqueeze(-3) + torch.zeros_like(several)
        scores = self.pooling.scores(embedded, queries)
        weights = self.pooling.attention_weights(ids.unsqueeze(-2), scores)
        pooled: Tensor = self.pooling(embedded, weights)
        return pooled
