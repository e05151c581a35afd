"""Who says how users react to a slate: a frozen evaluator, or the truth of a simulator."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.simulator import SimulatorTruth
from gerank.nn.evaluator import Evaluator, EvaluatorItems, PageFeedback
from gerank.nn.feedback_heads import FeedbackHeads
from gerank.nn.structured import PageEvaluator
from gerank.train.device import CPU, device_of, moved


class Feedback(Protocol):
    """Predicts clicks; wherever it computes, it answers on the device of the slates."""

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Click probability per slot [B, G, N], 0 where empty, and of any click [B, G]."""
        ...


@runtime_checkable
class FullFeedback(Feedback, Protocol):
    """Predicts further feedback too."""

    def further(
        self, pages: ExposureBatch, slates: Tensor, slot_click: Tensor
    ) -> dict[str, Tensor]:
        """Kind -> expected value per slot [B, G, N], 0 where empty; `slot_click` as predicted."""
        ...


class WithHeads:
    """A prediction of clicks, and heads for what follows."""

    def __init__(self, feedback: Feedback, heads: FeedbackHeads | None) -> None:
        self.clicks = feedback
        self.heads = None if heads is None else heads.eval().requires_grad_(False)

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Feedback`."""
        return self.clicks(rows, pages, slates)

    @torch.no_grad()
    def further(
        self, pages: ExposureBatch, slates: Tensor, slot_click: Tensor
    ) -> dict[str, Tensor]:
        """See `FullFeedback`."""
        if self.heads is None:
            return {}
        there = moved((pages, slates, slot_click), device_of(self.heads))
        expected = self.heads.expected(*there).to(slates.device)
        return dict(zip(self.heads.names, expected, strict=True))


class EvaluatorFeedback:
    """A learned evaluator, frozen."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator.eval().requires_grad_(False)
        self._seen: tuple[ExposureBatch, EvaluatorItems] | None = None

    @torch.no_grad()
    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Feedback`."""
        feedback = self._judged(pages, slates)
        return feedback.slot_click.view(slates.shape), feedback.page_click.view(slates.shape[:2])

    @torch.no_grad()
    def page_heads(self, pages: ExposureBatch, slates: Tensor) -> tuple[Tensor, Tensor]:
        """P(any click) and P(two clicks or more), each [B, G], of slates [B, G, N]."""
        feedback, shape = self._judged(pages, slates), slates.shape[:2]
        return feedback.page_click.view(shape), feedback.two_or_more.view(shape)

    @torch.no_grad()
    def strength(self, pages: ExposureBatch, slates: Tensor) -> Tensor:
        """[B, G, N] the items' own parts of the logits, 0 at empty slots."""
        items, there = self._items(pages).structured, moved(slates, device_of(self.evaluator))
        strength = self.evaluator.structured.strength(items, there)[0]
        return strength.view(slates.shape).to(slates.device)

    def _judged(self, pages: ExposureBatch, slates: Tensor) -> PageFeedback:
        there = moved(slates, device_of(self.evaluator))
        feedback: PageFeedback = self.evaluator(self._items(pages), there)
        return moved(feedback, slates.device)

    def _items(self, pages: ExposureBatch) -> EvaluatorItems:
        """The items of the last batch are kept: a training step asks about it several times."""
        if self._seen is None or self._seen[0] is not pages:
            there = moved(pages, device_of(self.evaluator))
            self._seen = pages, self.evaluator.items(*there.features, there.above)
        return self._seen[1]


class StructuredFeedback:
    """One structured evaluator alone: a member of a judge's ensemble."""

    def __init__(self, evaluator: PageEvaluator) -> None:
        self.evaluator = evaluator.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Feedback`."""
        pages, there = moved((pages, slates), device_of(self.evaluator))
        items = self.evaluator.items(*pages.features, pages.above)
        placed = self.evaluator.place(items, there)
        click = self.evaluator.slot_click(placed)[0].view(slates.shape)
        any_click = self.evaluator.page_clicks(placed)[0][0].view(slates.shape[:2])
        return moved((click, any_click), slates.device)


class MeanFeedback:
    """The mean of several: what a judge's ensemble says on the whole."""

    def __init__(self, members: list[Feedback]) -> None:
        self.members = members

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Feedback`."""
        said = [member(rows, pages, slates) for member in self.members]
        clicks, any_click = zip(*said, strict=True)
        return torch.stack(clicks).mean(0), torch.stack(any_click).mean(0)

    def further(
        self, pages: ExposureBatch, slates: Tensor, slot_click: Tensor
    ) -> dict[str, Tensor]:
        """See `FullFeedback`: the members of a judge have the same heads."""
        first = self.members[0]
        return first.further(pages, slates, slot_click) if isinstance(first, FullFeedback) else {}


class TrueFeedback:
    """The simulator's own click model: what a perfect evaluator would say.

    Attributes:
        slots_below: How many slots under a slot have a part in its click. Learned evaluators have
            none such: their structured part looks up alone, and the small part of the five channels
            is credited as if it did.
    """

    def __init__(self, truth: SimulatorTruth) -> None:
        self.truth = truth
        self.slots_below = truth.user.slots_below

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Feedback`; `rows` are rows of the truth."""
        there = slates.to(CPU)
        click = self.truth.click_probability(rows, there)
        return moved((click, self.truth.any_click(rows, there)), slates.device)
