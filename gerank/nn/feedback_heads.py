"""What users do beyond clicking: one head per kind of feedback, beside any prediction of clicks.

A kind that the log never shows without a click (a purchase, the seconds of reading) is predicted
given the click: its expected value at slot n is P(click at n) E[value | click, item, user, slot].
Any other kind (a hide) is predicted given that the item was shown: E[value | item, user, slot].
The chain is that of Ma et al., "Entire Space Multi-Task Model" (SIGIR 2018).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum

import torch
from torch import Tensor, nn

from gerank.data.batch import ExposureBatch
from gerank.data.schema import FeatureSchema
from gerank.nn.structured.attraction import Attraction

_MOST_TIMES_THE_MEAN = 5.0
"""The logarithm of what a log link may predict, in multiples of the mean."""
_SHARED = ("attraction.features.", "attraction.upstream_ease")


class Link(StrEnum):
    """How a head's linear predictor becomes an expected value."""

    LOGISTIC = "logistic"
    LOG = "log"
    IDENTITY = "identity"


@dataclass(frozen=True)
class HeadShape:
    """One head.

    Attributes:
        name: The kind of feedback.
        after_click: Whether it is predicted given a click.
        link: Logistic for flags, log for what is never negative, identity for the rest.
        center, scale: Expected value = center + scale * link(predictor); 0 and 1 for flags.
        start: The predictor before anything is learnt.
    """

    name: str
    after_click: bool
    link: Link
    center: float = 0.0
    scale: float = 1.0
    start: float = 0.0


@dataclass(frozen=True)
class HeadsShape:
    """The sizes of all heads.

    Attributes:
        heads: One per member of the ensemble.
        slots: N, the longest slate they judge.
        embedding_width: The width of each id feature's embedding.
        calibrated: Dense candidate features with a monotone map.
    """

    heads: tuple[HeadShape, ...]
    slots: int
    embedding_width: int
    calibrated: tuple[str, ...] = ()


class FeedbackHeads(nn.Module):
    """predictor = user + item + slot, H heads side by side that share nothing."""

    def __init__(self, schema: FeatureSchema, shape: HeadsShape) -> None:
        super().__init__()
        self.schema, self.shape = schema, shape
        count = len(shape.heads)
        self.attraction = Attraction(schema, count, shape.embedding_width, shape.calibrated)
        self.slot = nn.Parameter(torch.zeros(count, shape.slots))
        with torch.no_grad():
            self.attraction.bias.copy_(torch.tensor([head.start for head in shape.heads]))

    @property
    def names(self) -> tuple[str, ...]:
        """The kinds, head by head."""
        return tuple(head.name for head in self.shape.heads)

    def exposed(self, pages: ExposureBatch) -> Tensor:
        """[H, B, N] the predictors of what was shown."""
        attraction, shown = self.attraction, pages.slates.clamp(min=0).unsqueeze(-1)
        dense = attraction.set_features(pages.candidate_dense, pages.candidate_mask)
        dense = dense.gather(1, shown.expand(-1, -1, dense.size(-1)))
        ids = pages.candidate_ids.gather(1, shown.expand(-1, -1, pages.candidate_ids.size(-1)))
        terms = attraction((pages.user_dense, pages.user_ids), dense, ids)
        predictor: Tensor = terms.strength + terms.page.unsqueeze(-1)
        return predictor + self._slots(predictor.size(-1))

    def losses(self, predictor: Tensor, values: Tensor) -> Tensor:
        """[H, B, N] minus the log-likelihood of values [H, B, N], up to constants of the values.

        A log link is fitted by the Poisson quasi-likelihood, which finds the mean of any amount
        that is never negative.
        """
        parts = []
        for head, eta, value in zip(self.shape.heads, predictor, values, strict=True):
            target = (value - head.center) / head.scale
            if head.link is Link.LOGISTIC:
                parts.append(
                    nn.functional.binary_cross_entropy_with_logits(eta, target, reduction="none")
                )
            elif head.link is Link.LOG:
                bounded = eta.clamp(max=_MOST_TIMES_THE_MEAN)
                parts.append(bounded.exp() - target * bounded)
            else:
                parts.append((eta - target).square() / 2)
        return torch.stack(parts)

    def expected(self, pages: ExposureBatch, slates: Tensor, slot_click: Tensor) -> Tensor:
        """[H, B, G, N] expected values of slates [B, G, N]; 0 at empty slots.

        Args:
            pages: The B users and candidate sets.
            slates: [B, G, N] int64; -1 = empty.
            slot_click: [B, G, N]. P(click at n), by whoever predicts clicks.
        """
        attraction = self.attraction
        dense = attraction.set_features(pages.candidate_dense, pages.candidate_mask)
        users = (pages.user_dense, pages.user_ids)
        terms = attraction(users, dense, pages.candidate_ids)
        items = terms.strength + terms.page.unsqueeze(-1)  # [H, B, M]
        chosen = slates.clamp(min=0).flatten(1)
        placed = items.gather(2, chosen.expand(len(items), -1, -1))
        placed = placed.view(len(items), *slates.shape) + self._slots(slates.size(-1)).unsqueeze(1)
        given = [self._mean(head, eta) for head, eta in zip(self.shape.heads, placed, strict=True)]
        clicked = [slot_click if head.after_click else 1.0 for head in self.shape.heads]
        means = [mean * click for mean, click in zip(given, clicked, strict=True)]
        return torch.stack(means) * (slates >= 0)

    def prior(self, strength: Tensor) -> Tensor:
        """[H] minus the log prior density, with `strength` [H] of the norms."""
        slots = self.slot.square().sum(1)
        return strength * (self.attraction.prior() + slots) / 2

    @property
    def shared_names(self) -> frozenset[str]:
        """Names in the state that all heads have in common; all others have a leading axis H."""
        return frozenset(name for name in self.state_dict() if name.startswith(_SHARED))

    def keep_members(self, kept: dict[str, Tensor], which: Tensor) -> None:
        """Copies the state of the heads `which` [H] bool into `kept`, a state like this one."""
        shared, which = self.shared_names, which.to(self.slot.device)
        for name, value in self.state_dict().items():
            if name not in shared:
                kept[name][which] = value[which]

    def select(self, which: Tensor) -> FeedbackHeads:
        """The heads `which` [H'], with parameters of their own."""
        heads = tuple(self.shape.heads[index] for index in which.tolist())
        chosen = FeedbackHeads(self.schema, replace(self.shape, heads=heads))
        shared, which = self.shared_names, which.to(self.slot.device)
        state = {n: v if n in shared else v[which] for n, v in self.state_dict().items()}
        chosen.load_state_dict(state)
        return chosen.train(self.training).to(self.slot.device)

    def _slots(self, count: int) -> Tensor:
        """[H, 1, N] the part of each slot; slots behind the longest slate have that of the last."""
        places = torch.arange(count, device=self.slot.device).clamp(max=self.shape.slots - 1)
        return self.slot[:, places].unsqueeze(1)

    @staticmethod
    def _mean(head: HeadShape, eta: Tensor) -> Tensor:
        if head.link is Link.LOGISTIC:
            return eta.sigmoid()
        if head.link is Link.LOG:
            return head.center + head.scale * eta.clamp(max=_MOST_TIMES_THE_MEAN).exp()
        return head.center + head.scale * eta
