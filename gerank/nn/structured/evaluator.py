"""The structured evaluator: examination of the slot x attraction of the item in its context.

It is causal (slot n sees the slots above it alone), so that it can give credit slot by slot, and
it extrapolates to slots and neighbours that no log shows by its priors.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, SlotsAbove
from gerank.data.schema import FeatureSchema
from gerank.nn.features import FeatureEncoder
from gerank.nn.structured.attraction import Attraction, ItemTerms
from gerank.nn.structured.context import Neighbours, Repeats
from gerank.nn.structured.page_evaluator import PageEvaluator, PlacedItems, StructuredShape

_SHARED = ("attraction.features.", "attraction.upstream_ease")


class StructuredItems(NamedTuple):
    """Candidates before they stand anywhere: computed once, shared by all slates of a request.

    Attributes:
        strength: [K, B, M]. The item's own part of the logit.
        facets: [K, B, M, 2 * FACET_WIDTH].
        page: [K, B]. The user's part of the logit.
        groups: [B, M, G] int64.
        above: [B, A, G] int64. Groups of what stands above the page; -1 = none.
    """

    strength: Tensor
    facets: Tensor
    page: Tensor
    groups: Tensor
    above: Tensor


class StructuredEvaluator(PageEvaluator):
    """logit of slot n = user + item + repeats + neighbours; a `Reading` makes clicks of it."""

    group_columns: Tensor

    def __init__(self, schema: FeatureSchema, shape: StructuredShape) -> None:
        super().__init__(schema, shape)
        members = shape.members
        self.attraction = Attraction(
            schema, members, shape.embedding_width, shape.calibrated, shape.score
        )
        self.repeats = Repeats(members, len(schema.groups))
        self.neighbours = Neighbours(members)
        group_columns = torch.tensor(schema.group_columns, dtype=torch.int64)
        self.register_buffer("group_columns", group_columns, persistent=False)

    @property
    def features(self) -> FeatureEncoder:
        """What scales the features."""
        return self.attraction.features

    def start(self, rates: Tensor) -> None:
        """Starts with a bias that fits the click rates [N] of the slots."""
        with torch.no_grad():
            self.attraction.bias.copy_(self.reading.start_from(rates))

    def items(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        above: SlotsAbove | None = None,
    ) -> StructuredItems:
        """B candidate sets, shapes as in `RerankBatch`, and what stands above (None = nothing)."""
        dense = self.attraction.set_features(candidate_dense, candidate_mask)
        terms = self.attraction((user_dense, user_ids), dense, candidate_ids)
        return StructuredItems(
            terms.strength,
            terms.facets,
            terms.page,
            candidate_ids.index_select(2, self.group_columns),
            self._groups_above(candidate_ids, above),
        )

    def place(self, items: StructuredItems, slates: Tensor) -> PlacedItems:
        """Slates [B, G, N] of B candidate sets as E = B * G placed ones; -1 = empty slot."""
        requests, count, slots = slates.shape
        members = items.strength.size(0)
        chosen = slates.clamp(min=0).reshape(1, requests, count * slots)
        wide = chosen.unsqueeze(-1).expand(members, -1, -1, items.facets.size(-1))
        facets = items.facets.gather(2, wide)
        index = chosen.squeeze(0).unsqueeze(-1).expand(-1, -1, items.groups.size(-1))
        groups = items.groups.gather(1, index)
        shape = (requests * count, slots)
        return self._placed(
            self.strength(items, slates),
            facets.view(members, *shape, -1),
            items.page.repeat_interleave(count, dim=1),
            groups.view(*shape, -1),
            slates.reshape(*shape) >= 0,
            items.above.repeat_interleave(count, dim=0),
        )

    def strength(self, items: StructuredItems, slates: Tensor) -> Tensor:
        """See `PageEvaluator`: no slot's context is looked at."""
        members, empty = items.strength.size(0), slates.flatten(0, 1) < 0
        chosen = slates.clamp(min=0).flatten(1).expand(members, -1, -1)  # [K, B, G * N]
        strength = items.strength.gather(2, chosen).view(members, *empty.shape)
        return strength.masked_fill(empty, 0.0)

    def place_exposed(self, pages: ExposureBatch) -> PlacedItems:
        """The exposed slates of B pages, without looking at candidates that were not shown."""
        attraction, shown = self.attraction, pages.slates.clamp(min=0).unsqueeze(-1)
        dense = attraction.set_features(pages.candidate_dense, pages.candidate_mask)
        dense = dense.gather(1, shown.expand(-1, -1, dense.size(-1)))
        ids = pages.candidate_ids.gather(1, shown.expand(-1, -1, pages.candidate_ids.size(-1)))
        terms: ItemTerms = attraction((pages.user_dense, pages.user_ids), dense, ids)
        groups = ids.index_select(2, self.group_columns)
        above = pages.above.groups(self.group_columns)
        return self._placed(*terms, groups, pages.slates >= 0, above)

    def _groups_above(self, candidate_ids: Tensor, above: SlotsAbove | None) -> Tensor:
        """[B, A, G]; the requests are those of candidate_ids [B, M, I]."""
        if above is None:
            sizes = len(candidate_ids), candidate_ids.size(2)
            above = SlotsAbove.nothing(*sizes, candidate_ids.device)
        return above.groups(self.group_columns)

    def _placed(
        self,
        strength: Tensor,
        facets: Tensor,
        page: Tensor,
        groups: Tensor,
        mask: Tensor,
        above: Tensor,
    ) -> PlacedItems:
        strength, repeats = strength * mask, self.repeats(groups, mask, above)
        moved = strength + repeats + self.neighbours(strength, facets, mask)
        logits = page.unsqueeze(-1) + moved
        return PlacedItems(logits, strength, mask)

    def prior(self, strength: Tensor) -> Tensor:
        """[K] minus the log prior density of the parameters, with `strength` [K] of the norms."""
        norms = self.attraction.prior() + self.neighbours.prior()
        return strength * norms / 2 + self.repeats.prior()

    @property
    def shared_names(self) -> frozenset[str]:
        """Names in the state that all members have in common; all others have a leading axis K."""
        return frozenset(name for name in self.state_dict() if name.startswith(_SHARED))
