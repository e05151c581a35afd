"""An evaluator whose logits a network of one's own gives, see docs/custom_models.md.

It stands where the structured evaluator stands: a form of reading makes clicks of its logits, so
that rewards, page heads, calibration and the judge know no difference. Axes: K members, B requests,
M candidates, E slates, N slots, X numbers of an item, Xu of a user.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from gerank.data.batch import ExposureBatch, SlotsAbove
from gerank.data.schema import FeatureSchema
from gerank.nn.features import FeatureEncoder
from gerank.nn.own_network import checked_logits, new_network
from gerank.nn.small_tables import with_small_tables
from gerank.nn.structured.page_evaluator import PageEvaluator, PlacedItems, StructuredShape

_SCALES = ("calibration", "user_scale", "candidate_scale")


class NetworkItems(NamedTuple):
    """Candidates before they stand anywhere: computed once, shared by all slates of a request.

    Attributes:
        candidates: K of [B, M, X]. What members see of an item.
        users: K of [B, Xu].
    """

    candidates: list[Tensor]
    users: list[Tensor]


class Member(nn.Module):
    """One member: its embeddings and its network."""

    def __init__(self, schema: FeatureSchema, shape: StructuredShape) -> None:
        super().__init__()
        self.features = FeatureEncoder(
            with_small_tables(schema), shape.embedding_width, shape.calibrated
        )
        widths = (self.features.candidate_width, self.features.user_width)
        self.network = new_network(shape.network, *widths, shape.slots)

    def norm(self) -> Tensor:
        """The squared norm of its matrices; biases and gains are free."""
        matrices = [p for p in self.parameters() if p.dim() > 1]
        return torch.stack([p.square().sum() for p in matrices]).sum()


class NetworkEvaluator(PageEvaluator):
    """logit of slot n = bias + the network's; an item's strength is its logit alone on a page.

    Members share the scales of features, and nothing else but the batches. Networks see the page
    alone, not what stands above it: that has no features beside groups and flags.
    """

    def __init__(self, schema: FeatureSchema, shape: StructuredShape) -> None:
        super().__init__(schema, shape)
        members = [Member(schema, shape) for _ in range(shape.members)]
        for member in members[1:]:
            for scale in _SCALES:
                setattr(member.features, scale, getattr(members[0].features, scale))
        self.members = nn.ModuleList(members)
        self.bias = nn.Parameter(torch.zeros(shape.members))

    @property
    def features(self) -> FeatureEncoder:
        """What scales the features."""
        return self._each()[0].features

    @property
    def shared_names(self) -> frozenset[str]:
        """Names in the state that all members have in common; none of them is learnt."""
        scales = tuple(
            f"members.{k}.features.{scale}." for k in range(self.shape.members) for scale in _SCALES
        )
        return frozenset(name for name in self.state_dict() if name.startswith(scales))

    def start(self, rates: Tensor) -> None:
        """Starts with a bias that fits the click rates [N] of the slots."""
        with torch.no_grad():
            self.bias.copy_(self.reading.start_from(rates))

    def items(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        above: SlotsAbove | None = None,
    ) -> NetworkItems:
        """B candidate sets, shapes as in `RerankBatch`."""
        each = self._each()
        candidates = (candidate_dense, candidate_ids, candidate_mask, user_ids)
        return NetworkItems(
            [member.features.candidates(*candidates) for member in each],
            [member.features.users(user_dense, user_ids) for member in each],
        )

    def place(self, items: NetworkItems, slates: Tensor) -> PlacedItems:
        """Slates [B, G, N] of B candidate sets as E = B * G placed ones; -1 = empty slot.

        In training the strength is 0 everywhere, for nothing learns from it.
        """
        mask = slates.flatten(0, 1) >= 0
        logits, strengths = [], []
        for member, (shown, users) in enumerate(_shown(items, slates)):
            network, bias = self._each()[member].network, self.bias[member]
            logits.append(torch.where(mask, network(shown, users, mask) + bias, 0.0))
            strengths.append(torch.zeros_like(logits[-1]))
            if not self.training:
                alone = shown.flatten(0, 1).unsqueeze(1)  # [E * N, 1, X]
                theirs = users.repeat_interleave(mask.size(1), dim=0)
                there = torch.ones_like(alone[..., 0], dtype=torch.bool)
                strength = network(alone, theirs, there).view(mask.shape) + bias
                strengths[-1] = torch.where(mask, strength, 0.0)
        return PlacedItems(torch.stack(logits), torch.stack(strengths), mask)

    def place_exposed(self, pages: ExposureBatch) -> PlacedItems:
        """The exposed slates of B pages."""
        return self.place(self.items(*pages[:5]), pages.slates.unsqueeze(1))

    def prior(self, strength: Tensor) -> Tensor:
        """[K] minus the log prior density of the parameters, with `strength` [K] of the norms."""
        return strength * torch.stack([member.norm() for member in self._each()]) / 2

    @torch.no_grad()
    def try_on(self, pages: ExposureBatch, slates: Tensor) -> None:
        """Asks the first network about slates [B, G, N] of real pages.

        Raises:
            ValueError: It fails, or answers another shape or dtype, or numbers that are not finite.
        """
        shown, users = next(iter(_shown(self.items(*pages[:5]), slates)))
        mask = slates.flatten(0, 1) >= 0
        checked_logits(self.shape.network, self._each()[0].network, shown, users, mask)

    def _each(self) -> list[Member]:
        return [member for member in self.members if isinstance(member, Member)]


def _shown(items: NetworkItems, slates: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Per member the shown items [E, N, X], 0 at empty slots, and their users [E, Xu]."""
    requests, count, slots = slates.shape
    chosen = slates.reshape(requests, count * slots, 1)
    shown = []
    for candidates, users in zip(items.candidates, items.users, strict=True):
        width = candidates.size(-1)
        taken = candidates.gather(1, chosen.clamp(min=0).expand(-1, -1, width))
        taken = torch.where(chosen >= 0, taken, 0.0).view(requests * count, slots, width)
        shown.append((taken, users.repeat_interleave(count, dim=0)))
    return shown
