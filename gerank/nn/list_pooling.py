"""Lists of ids as one vector each: means, sums and attention over the entries that there are."""

import torch
from torch import Tensor, nn

from gerank.data.feature_block import IdUnit, Pool


class ListPooling(nn.Module):
    """Weighs the id columns of one side, and adds up those of each list.

    Axes: I id columns, U units (a column by itself, or a list), A lists with attention, W the
    width of an embedding. State dictionaries know nothing of its buffers, and without a list it has
    none.
    """

    __constants__ = ("any_attention", "any_lists", "plain_units", "units")
    first: Tensor
    empty: Tensor
    listed: Tensor
    unit_of: Tensor
    summed: Tensor
    attends: Tensor
    query_of: Tensor
    plain_columns: Tensor

    def __init__(self, units: tuple[IdUnit, ...]) -> None:
        super().__init__()
        self.units = len(units)
        self.plain_units = sum(unit.pool is None for unit in units)
        self.any_lists = any(unit.pool is not None for unit in units)
        attending = [unit for unit in units if unit.pool is Pool.ATTENTION]
        self.any_attention = bool(attending)
        if not self.any_lists:
            return
        unit_of = unit_of_columns(units)
        empty, listed, attends, query_of = (torch.zeros_like(unit_of) for _ in range(4))
        for unit in units:
            at = list(unit.columns)
            if unit.pool is not None:
                empty[at] = unit.empty
                listed[at] = 1
            if unit.pool is Pool.ATTENTION:
                attends[at] = 1
                query_of[at] = attending.index(unit)
        plain = [unit.columns[0] for unit in units if unit.pool is None]
        for name, values in (
            ("first", torch.tensor([unit.columns[0] for unit in units])),
            ("unit_of", unit_of),
            ("empty", empty),
            ("listed", listed.bool()),
            ("attends", attends.bool()),
            ("query_of", query_of),
            ("summed", torch.tensor([unit.pool is Pool.SUM for unit in units])),
            ("plain_columns", torch.tensor(plain, dtype=torch.int64)),
        ):
            self.register_buffer(name, values, persistent=False)

    def plain(self, embedded: Tensor) -> Tensor:
        """[..., I, W] -> [..., P * W]: the embeddings of the P columns that are no list's."""
        if not self.any_lists:
            return embedded.flatten(-2)
        return embedded.index_select(-2, self.plain_columns).flatten(-2)

    def scores(self, embedded: Tensor, queries: Tensor) -> Tensor:
        """How much a list's entries are asked for; 0 for columns without attention.

        Args:
            embedded: [..., I, W].
            queries: [..., A, W].

        Returns:
            [..., I].
        """
        products = (embedded * queries.index_select(-2, self.query_of)).sum(-1)
        return torch.where(self.attends, products, torch.zeros_like(products))

    def entry_weights(self, ids: Tensor) -> Tensor:
        """What every column counts in its unit: [..., I] ids -> [..., I], entries alike."""
        real = ((ids != self.empty) | ~self.listed).to(torch.float32)
        return self._shares(real)

    def attention_weights(self, ids: Tensor, scores: Tensor) -> Tensor:
        """The same with a softmax of `scores` [..., I] in place of entries alike."""
        real = (ids != self.empty) | ~self.listed
        known = scores.masked_fill(~real, -1e9)
        top = known.detach().index_select(-1, self.first)
        top = top.scatter_reduce(-1, self.unit_of.expand_as(known), known.detach(), "amax")
        most = top.index_select(-1, self.unit_of)
        return self._shares((known - most).exp() * real)

    def _shares(self, weights: Tensor) -> Tensor:
        total = torch.zeros_like(weights.index_select(-1, self.first))
        total = total.index_add(-1, self.unit_of, weights).clamp(min=1.0)
        total = torch.where(self.summed, torch.ones_like(total), total)
        return weights / total.index_select(-1, self.unit_of)

    def forward(self, embedded: Tensor, weights: Tensor) -> Tensor:
        """Adds up: [..., I, W] embeddings and their weights [..., I] -> [..., U * W]."""
        if self.any_lists:
            pooled = torch.zeros_like(embedded.index_select(-2, self.first))
            pooled = pooled.index_add(-2, self.unit_of, embedded * weights.unsqueeze(-1))
        else:
            pooled = embedded
        return pooled.flatten(-2)


def unit_of_columns(units: tuple[IdUnit, ...]) -> Tensor:
    """[I] int64: the place among the units of every id column's own."""
    unit_of = torch.zeros(sum(len(unit.columns) for unit in units), dtype=torch.int64)
    for place, unit in enumerate(units):
        unit_of[list(unit.columns)] = place
    return unit_of
