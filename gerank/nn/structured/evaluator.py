"""The structured evaluator: examination of the slot x attraction of the item in its context.

It is causal (slot n sees the slots above it alone), so that it can give credit slot by slot, and
it extrapolates to slots and neighbours that no log shows by its priors.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gerank.data.batch import ExposureBatch
from gerank.data.schema import FeatureSchema
from gerank.nn.structured.attraction import Attraction, ItemTerms
from gerank.nn.structured.context import Neighbours, Repeats
from gerank.nn.structured.readings import new_reading

_OF_ONE_FORM = re.compile(r"reading\.forms\.(\d+)\.")
_SHARED = ("attraction.features.", "attraction.upstream_ease")


@dataclass(frozen=True)
class StructuredShape:
    """The sizes of a structured evaluator.

    Attributes:
        slots: N, the longest slate it judges.
        reading: Name of the form in which users read a page; `one|another` lets forms compete,
            each being one member's.
        members: K, of the ensemble: they share nothing but the batches.
        embedding_width: The width of each id feature's embedding.
        calibrated: Dense candidate features with a monotone map.
        score: Dense candidate feature that upstream sorts by; empty = none.
    """

    slots: int
    reading: str
    members: int = 1
    embedding_width: int = 8
    calibrated: tuple[str, ...] = ()
    score: str = ""


class StructuredItems(NamedTuple):
    """Candidates before they stand anywhere: computed once, shared by all slates of a request.

    Attributes:
        strength: [K, B, M]. The item's own part of the logit.
        facets: [K, B, M, 2 * FACET_WIDTH].
        page: [K, B]. The user's part of the logit.
        groups: [B, M, G] int64.
    """

    strength: Tensor
    facets: Tensor
    page: Tensor
    groups: Tensor


class PlacedItems(NamedTuple):
    """Items in their slots.

    Attributes:
        logits: [K, E, N]. Attraction in its context.
        strength: [K, E, N]. The item's own part of it; 0 at empty slots.
        mask: [E, N] bool. True = filled.
    """

    logits: Tensor
    strength: Tensor
    mask: Tensor


class StructuredEvaluator(nn.Module):
    """logit of slot n = user + item + repeats + neighbours; a `Reading` makes clicks of it."""

    group_columns: Tensor

    def __init__(self, schema: FeatureSchema, shape: StructuredShape) -> None:
        super().__init__()
        self.schema, self.shape = schema, shape
        members = shape.members
        self.attraction = Attraction(
            schema, members, shape.embedding_width, shape.calibrated, shape.score
        )
        self.repeats = Repeats(members, len(schema.groups))
        self.neighbours = Neighbours(members)
        self.reading = new_reading(shape.reading, members, shape.slots)
        group_columns = torch.tensor(schema.group_columns, dtype=torch.int64)
        self.register_buffer("group_columns", group_columns, persistent=False)

    def items(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
    ) -> StructuredItems:
        """B candidate sets, shapes as in `RerankBatch`."""
        dense = self.attraction.set_features(candidate_dense, candidate_mask)
        terms = self.attraction((user_dense, user_ids), dense, candidate_ids)
        return StructuredItems(
            terms.strength,
            terms.facets,
            terms.page,
            candidate_ids.index_select(2, self.group_columns),
        )

    def place(self, items: StructuredItems, slates: Tensor) -> PlacedItems:
        """Slates [B, G, N] of B candidate sets as E = B * G placed ones; -1 = empty slot."""
        requests, count, slots = slates.shape
        members = items.strength.size(0)
        chosen = slates.clamp(min=0).reshape(1, requests, count * slots)
        strength = items.strength.gather(2, chosen.expand(members, -1, -1))
        wide = chosen.unsqueeze(-1).expand(members, -1, -1, items.facets.size(-1))
        facets = items.facets.gather(2, wide)
        index = chosen.squeeze(0).unsqueeze(-1).expand(-1, -1, items.groups.size(-1))
        groups = items.groups.gather(1, index)
        shape = (requests * count, slots)
        return self._placed(
            strength.view(members, *shape),
            facets.view(members, *shape, -1),
            items.page.repeat_interleave(count, dim=1),
            groups.view(*shape, -1),
            slates.reshape(*shape) >= 0,
        )

    def place_exposed(self, pages: ExposureBatch) -> PlacedItems:
        """The exposed slates of B pages, without looking at candidates that were not shown."""
        attraction, shown = self.attraction, pages.slates.clamp(min=0).unsqueeze(-1)
        dense = attraction.set_features(pages.candidate_dense, pages.candidate_mask)
        dense = dense.gather(1, shown.expand(-1, -1, dense.size(-1)))
        ids = pages.candidate_ids.gather(1, shown.expand(-1, -1, pages.candidate_ids.size(-1)))
        terms: ItemTerms = attraction((pages.user_dense, pages.user_ids), dense, ids)
        groups = ids.index_select(2, self.group_columns)
        return self._placed(*terms, groups, pages.slates >= 0)

    def _placed(
        self, strength: Tensor, facets: Tensor, page: Tensor, groups: Tensor, mask: Tensor
    ) -> PlacedItems:
        strength = strength * mask
        moved = strength + self.repeats(groups, mask) + self.neighbours(strength, facets, mask)
        logits = page.unsqueeze(-1) + moved
        return PlacedItems(logits, strength, mask)

    def log_likelihood(self, placed: PlacedItems, clicks: Tensor) -> Tensor:
        """[K, E] log P(clicks [E, N] of the page)."""
        return self.reading.log_likelihood(placed.logits, clicks, placed.mask)

    def slot_click(self, placed: PlacedItems) -> Tensor:
        """[K, E, N] P(click at n), 0 at empty slots."""
        return self.reading.marginal(placed.logits, placed.mask)

    def page_clicks(self, placed: PlacedItems) -> tuple[Tensor, Tensor]:
        """P(any click) and P(two clicks or more), each [K, E]."""
        return self.reading.counts(placed.logits, placed.mask)

    def prior(self, strength: Tensor) -> Tensor:
        """[K] minus the log prior density of the parameters, with `strength` [K] of the norms."""
        norms = self.attraction.prior() + self.neighbours.prior()
        return strength * norms / 2 + self.repeats.prior()

    @property
    def shared_names(self) -> frozenset[str]:
        """Names in the state that all members have in common; all others have a leading axis K."""
        return frozenset(name for name in self.state_dict() if name.startswith(_SHARED))

    def keep_members(self, kept: dict[str, Tensor], which: Tensor) -> None:
        """Copies the state of the members `which` [K] bool into `kept`, a state like this one."""
        shared = self.shared_names
        for name, value in self.state_dict().items():
            form = _OF_ONE_FORM.match(name)
            if form and which[int(form[1])]:
                kept[name].copy_(value)
            elif not form and name not in shared:
                kept[name][which] = value[which]

    def select(self, which: Tensor) -> StructuredEvaluator:
        """The members `which` [K'] as an ensemble of their own, with parameters of its own."""
        chosen = StructuredEvaluator(self.schema, replace(self.shape, members=len(which)))
        state = {
            name: value if name in self.shared_names else value[which]
            for name, value in self.state_dict().items()
        }
        chosen.load_state_dict(state)
        return chosen.train(self.training)
