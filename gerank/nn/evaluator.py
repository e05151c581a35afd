"""The evaluator: imitates the user's feedback on a whole slate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple, Self

import torch
from torch import Tensor, nn

from gerank.data.batch import ExposureBatch, SlotsAbove
from gerank.data.schema import FeatureSchema
from gerank.nn.channel_residual import ChannelItems, ChannelResidual, ResidualShape
from gerank.nn.structured import PlacedItems, StructuredShape, new_page_evaluator
from gerank.nn.support import Support


@dataclass(frozen=True)
class EvaluatorShape:
    """What an evaluator consists of.

    Attributes:
        structured: The structured part, of one member.
        residual: The five channels on top; None = validation kept them out.
    """

    structured: StructuredShape
    residual: ResidualShape | None = None


class PageFeedback(NamedTuple):
    """Predicted feedback on E slates.

    Attributes:
        slot_click: [E, N]. P(click at n), 0 at empty slots.
        page_click: [E]. P(any click on the page), calibrated on validation pages.
        two_or_more: [E]. P(two clicks or more), calibrated on validation pages.
        strength: [E, N]. The items' own parts of the logits; 0 at empty slots.
    """

    slot_click: Tensor
    page_click: Tensor
    two_or_more: Tensor
    strength: Tensor


class EvaluatorItems(NamedTuple):
    """Candidates before they stand anywhere: computed once, shared by all slates of a request.

    Attributes:
        structured: What the structured part sees of them.
        channels: What the five channels see of them; None without a residual.
    """

    structured: Any
    channels: ChannelItems | None


class Evaluator(nn.Module):
    """Structured part + residual of the five channels, page heads derived from the slots.

    The residual fades where the log has no support: it is multiplied by exp(-d / s), d how far the
    item's strength lies outside of what was logged at its slot and s a quarter of that range.
    """

    support_low: Tensor
    support_high: Tensor
    page_maps: Tensor

    def __init__(self, schema: FeatureSchema, shape: EvaluatorShape) -> None:
        super().__init__()
        self.shape = shape
        self.structured = new_page_evaluator(schema, shape.structured)
        self.residual = ChannelResidual(schema, shape.residual) if shape.residual else None
        slots = shape.structured.slots
        self.register_buffer("support_low", torch.full((slots,), -torch.inf))
        self.register_buffer("support_high", torch.full((slots,), torch.inf))
        self.register_buffer("page_maps", torch.tensor([[1.0, 0.0], [1.0, 0.0]]))

    def train(self, mode: bool = True) -> Self:
        """As of any module, but the structured part does not learn here."""
        super().train(mode)
        self.structured.eval()
        return self

    @property
    def support(self) -> Support:
        """Where the log that it was trained on has data."""
        return Support(self.support_low, self.support_high)

    def set_support(self, support: Support) -> None:
        """Takes over the ranges."""
        self.support_low.copy_(support.low)
        self.support_high.copy_(support.high)

    def items(
        self,
        user_dense: Tensor,
        user_ids: Tensor,
        candidate_dense: Tensor,
        candidate_ids: Tensor,
        candidate_mask: Tensor,
        above: SlotsAbove | None = None,
    ) -> EvaluatorItems:
        """B candidate sets, shapes as in `RerankBatch`, and what stands above (None = nothing)."""
        request = (user_dense, user_ids, candidate_dense, candidate_ids, candidate_mask, above)
        channels = None if self.residual is None else self.residual.items(*request)
        return EvaluatorItems(self.structured.items(*request), channels)

    def place(self, items: EvaluatorItems, slates: Tensor) -> PlacedItems:
        """Slates [B, G, N'] of B candidate sets, residual included: E = B * G placed ones."""
        placed = self.structured.place(items.structured, slates)
        if items.channels is None or self.residual is None:
            return placed
        return self.with_residual(placed, self.residual(items.channels, slates))

    def with_residual(self, placed: PlacedItems, residual: Tensor) -> PlacedItems:
        """The same items, with the residual [E, N] added to their logits where the log knows."""
        support, slots = self.support, placed.strength.size(-1)
        scale = ((support.high - support.low)[:slots] / 4).clamp(min=1e-3)
        fade = torch.exp(-support.distance(placed.strength) / scale)
        return placed._replace(logits=placed.logits + fade * residual)

    def forward(self, items: EvaluatorItems, slates: Tensor) -> PageFeedback:
        """Judges slates [B, G, N'] with N' <= slots; -1 = empty slot. E = B * G, by request."""
        slots = self.shape.structured.slots
        if slates.size(-1) > slots:
            raise ValueError(f"slates have {slates.size(-1)} slots, not at most {slots}")
        placed = self.place(items, slates)
        any_click, two_or_more = self.page_clicks(placed)
        return PageFeedback(
            self.structured.slot_click(placed)[0],
            calibrated(any_click, self.page_maps[0]),
            calibrated(two_or_more, self.page_maps[1]),
            placed.strength[0],
        )

    def page_clicks(self, placed: PlacedItems) -> tuple[Tensor, Tensor]:
        """P(any click) and P(two or more), each [E], as derived from the slots alone."""
        any_click, two_or_more = self.structured.page_clicks(placed)
        return any_click[0], two_or_more[0]

    def exposed(self, pages: ExposureBatch) -> PlacedItems:
        """The exposed slates of B pages, placed; the residual included."""
        placed = self.structured.place_exposed(pages)
        if self.residual is None:
            return placed
        items = self.residual.items(*pages.features, pages.above)
        return self.with_residual(placed, self.residual(items, pages.slates.unsqueeze(1)))


def calibrated(probability: Tensor, line: Tensor) -> Tensor:
    """sigma(a logit(p) + b) of probabilities [E] and the line (a, b): Platt, 1999."""
    return torch.sigmoid(line[0] * torch.logit(probability, eps=1e-6) + line[1])
