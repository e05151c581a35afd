"""What the structured evaluator and one with a network of one's own have in common.

Both give every slot of a page a logit; a form of reading makes clicks of the logits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from gerank.data.batch import ExposureBatch, SlotsAbove
from gerank.data.schema import FeatureSchema
from gerank.nn.features import FeatureEncoder
from gerank.nn.structured.readings import Reading, new_reading

_OF_ONE_MEMBER = re.compile(r"(reading\.forms|members)\.(\d+)\.(.*)")


@dataclass(frozen=True)
class StructuredShape:
    """The sizes of a structured evaluator, or of one with a network of one's own.

    Attributes:
        slots: N, the longest slate it judges.
        reading: Name of the form in which users read a page; `one|another` lets forms compete,
            each being one member's.
        members: K, of the ensemble: they share nothing but the batches.
        embedding_width: The width of each id feature's embedding.
        calibrated: Dense candidate features with a monotone map.
        score: Dense candidate feature that upstream sorts by; empty = none.
        network: `package.module:Class` of a network of one's own; empty = the structured evaluator.
    """

    slots: int
    reading: str
    members: int = 1
    embedding_width: int = 8
    calibrated: tuple[str, ...] = ()
    score: str = ""
    network: str = ""


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


class PageEvaluator(nn.Module):
    """An ensemble of K members; a `Reading` makes clicks of the logits of a page's slots.

    A subclass says what the logits are. What is learnt has a leading axis K, or stands under
    `members.k.` or `reading.forms.k.` as the k-th member's own.
    """

    def __init__(self, schema: FeatureSchema, shape: StructuredShape) -> None:
        super().__init__()
        self.schema, self.shape = schema, shape
        self.reading: Reading = new_reading(shape.reading, shape.members, shape.slots)

    @property
    def features(self) -> FeatureEncoder:
        """What scales the features; all members scale alike."""
        raise NotImplementedError

    @property
    def shared_names(self) -> frozenset[str]:
        """Names in the state that all members have in common; none of them is learnt."""
        raise NotImplementedError

    def start(self, rates: Tensor) -> None:
        """Starts with a bias that fits the click rates [N] of the slots."""
        raise NotImplementedError

    def items(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        above: SlotsAbove | None = None,
    ) -> Any:
        """What `place` needs of B candidate sets and of what stands above (None = nothing).

        Shapes are as in `RerankBatch`.
        """
        raise NotImplementedError

    def place(self, items: Any, slates: Tensor) -> PlacedItems:
        """Slates [B, G, N] of B candidate sets as E = B * G placed ones; -1 = empty slot."""
        raise NotImplementedError

    def strength(self, items: Any, slates: Tensor) -> Tensor:
        """[K, E, N] the items' own parts of the logits, 0 at empty slots, as `place` has them."""
        return self.place(items, slates).strength

    def place_exposed(self, pages: ExposureBatch) -> PlacedItems:
        """The exposed slates of B pages."""
        raise NotImplementedError

    def prior(self, strength: Tensor) -> Tensor:
        """[K] minus the log prior density of the parameters, with `strength` [K] of the norms."""
        raise NotImplementedError

    def log_likelihood(self, placed: PlacedItems, clicks: Tensor) -> Tensor:
        """[K, E] log P(clicks [E, N] of the page)."""
        return self.reading.log_likelihood(placed.logits, clicks, placed.mask)

    def slot_click(self, placed: PlacedItems) -> Tensor:
        """[K, E, N] P(click at n), 0 at empty slots."""
        return self.reading.marginal(placed.logits, placed.mask)

    def page_clicks(self, placed: PlacedItems) -> tuple[Tensor, Tensor]:
        """P(any click) and P(two clicks or more), each [K, E]."""
        return self.reading.counts(placed.logits, placed.mask)

    def keep_members(self, kept: dict[str, Tensor], which: Tensor) -> None:
        """Copies the state of the members `which` [K] bool into `kept`, a state like this one."""
        shared, numbers = self.shared_names, which.tolist()
        which = which.to(self._device)
        for name, value in self.state_dict().items():
            own = _OF_ONE_MEMBER.match(name)
            if own and numbers[int(own[2])]:
                kept[name].copy_(value)
            elif not own and name not in shared:
                kept[name][which] = value[which]

    def select(self, which: Tensor) -> Self:
        """The members `which` [K'] as an ensemble of their own, with parameters of its own."""
        chosen = type(self)(self.schema, replace(self.shape, members=len(which)))
        before, shared, numbers = self.state_dict(), self.shared_names, which.tolist()
        which = which.to(self._device)
        state = {}
        for name in chosen.state_dict():
            own = _OF_ONE_MEMBER.match(name)
            if own:
                state[name] = before[f"{own[1]}.{numbers[int(own[2])]}.{own[3]}"]
            else:
                state[name] = before[name] if name in shared else before[name][which]
        chosen.load_state_dict(state)
        return chosen.train(self.training).to(self._device)

    @property
    def _device(self) -> torch.device:
        return next(self.parameters()).device
