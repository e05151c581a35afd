"""Slates and what the user is expected to do with them: the input of every utility."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.schema import FeatureSchema


@dataclass(frozen=True)
class JudgedSlates:
    """G slates for each of B candidate sets.

    Attributes:
        schema: Describes the candidates.
        pages: The B users and candidate sets.
        slates: [B, G, N] int64. Candidate per slot; -1 = empty.
        slot_click: [B, G, N] float32. Expected click probability, 0 at empty slots.
        page_click: [B, G] float32. Expected probability of any click.
        expected: Kind of further feedback -> [B, G, N] float32, its expected value in each slot.
        gated: False while statistics are taken: gates of utilities over a batch then stand open.
    """

    schema: FeatureSchema
    pages: ExposureBatch
    slates: Tensor
    slot_click: Tensor
    page_click: Tensor
    gated: bool = True
    expected: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def slot_mask(self) -> Tensor:
        """[B, G, N] bool. Slots that hold a candidate."""
        return self.slates >= 0

    def candidate(self, name: str) -> Tensor:
        """[B, M] the values of a candidate feature: float32 (dense) or int64 (id).

        Raises:
            KeyError: There is no such feature.
        """
        schema, pages = self.schema, self.pages
        for features, columns in (
            (schema.candidate_dense, pages.candidate_dense),
            (schema.candidate_ids, pages.candidate_ids),
        ):
            names = [feature.name for feature in features]
            if name in names:
                return columns[..., names.index(name)]
        raise KeyError(f"candidate feature {name!r}")

    def feature(self, name: str) -> Tensor:
        """[B, G, N] a candidate feature of the item in each slot: 0 (dense), -1 (id) if empty."""
        values = self.candidate(name)
        return self.placed(values, 0.0 if values.is_floating_point() else -1)

    def placed(self, values: Tensor, empty: float) -> Tensor:
        """Values [B, M] or [B, M, X] of candidates as [B, G, N] or [B, G, N, X] of slots."""
        return on_slates(values, self.slates, empty)


def on_slates(values: Tensor, slates: Tensor, empty: float) -> Tensor:
    """The values of the candidates in each slot.

    Args:
        values: [B, M] or [B, M, X].
        slates: [B, G, N] int64; -1 = empty.
        empty: What an empty slot has.

    Returns:
        [B, G, N] or [B, G, N, X].
    """
    wide = values.flatten(2) if values.dim() > 2 else values.unsqueeze(-1)
    index = slates.clamp(min=0).flatten(1).unsqueeze(-1).expand(-1, -1, wide.size(-1))
    chosen = wide.gather(1, index).view(*slates.shape, wide.size(-1))
    chosen = torch.where((slates >= 0).unsqueeze(-1), chosen, torch.full_like(chosen, empty))
    return chosen if values.dim() > 2 else chosen.squeeze(-1)
