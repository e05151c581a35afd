"""Who says how users react to a slate: a frozen evaluator, or the truth of a simulator."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.simulator import SimulatorTruth
from gerank.nn.evaluator import Evaluator
from gerank.rl.utilities import page_click


class Feedback(Protocol):
    """Predicts clicks."""

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Click probability per slot [B, G, N], 0 where empty, and of any click [B, G]."""
        ...


class EvaluatorFeedback:
    """A learned evaluator, frozen."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator.eval().requires_grad_(False)

    @torch.no_grad()
    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Feedback`."""
        requests, group, slots = slates.shape
        logits = self.evaluator(self.evaluator.items(*pages[:5]), slates)
        click = logits.slot_click.sigmoid().view(requests, group, -1)[..., :slots]
        return click * (slates >= 0), logits.page_click.sigmoid().view(requests, group)


class TrueFeedback:
    """The simulator's own click model: what a perfect evaluator would say."""

    def __init__(self, truth: SimulatorTruth) -> None:
        self.truth = truth

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `Feedback`; `rows` are rows of the truth."""
        click = self.truth.click_probability(rows, slates)
        return click, page_click(click, slates >= 0)
