"""Stage one: the evaluator learns to predict the feedback that logged pages got."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch

from gerank.data.exposure_log import ExposureLog
from gerank.metrics.auc import auc
from gerank.nn.evaluator import Evaluator, feedback_loss
from gerank.train.config import EvaluatorConfig
from gerank.train.pages import row_batches
from gerank.train.stage import Metrics


class EvaluatorStage:
    """Cross-entropy of page click, click count and slot clicks over exposed pages."""

    def __init__(
        self,
        name: str,
        evaluator: Evaluator,
        log: ExposureLog,
        train: np.ndarray,
        validation: np.ndarray,
        config: EvaluatorConfig,
        slots: int,
        seed: int,
    ) -> None:
        self.name = name
        self.model = evaluator
        self.epochs = config.epochs
        self.steps_per_epoch = math.ceil(len(train) / config.batch_size)
        self.optimizer = torch.optim.AdamW(
            evaluator.parameters(), lr=config.learning_rate, weight_decay=config.weight_decay
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, self.epochs * self.steps_per_epoch
        )
        self._log, self._train, self._validation = log, train, validation
        self._batch_size, self._seed = config.batch_size, seed
        self._slots = slots

    def train_epoch(self, epoch: int) -> Iterator[Metrics]:
        """One pass over the training pages."""
        batches = row_batches(self._train, self._batch_size, seed=self._seed * 1009 + epoch)
        for step, rows in enumerate(batches):
            whole = (step + epoch) % 2 == 0
            pages = self._log.batch(rows, self.model.shape.slots if whole else self._slots)
            logits = self.model(self.model.items(*pages[:5]), pages.slates.unsqueeze(1))
            loss = feedback_loss(logits, *padded_clicks(self.model, pages.clicks, pages.slates))
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
            self.optimizer.step()
            self.schedule.step()
            yield {"loss": loss.item()}

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """Minus the loss on validation pages, and the page AUC there unless all are of a kind."""
        losses, scores, labels = [], [], []
        for rows in row_batches(self._validation, 1024):
            pages = self._log.batch(rows, self._slots)
            logits = self.model(self.model.items(*pages[:5]), pages.slates.unsqueeze(1))
            clicks, mask = padded_clicks(self.model, pages.clicks, pages.slates)
            losses.append(feedback_loss(logits, clicks, mask).item() * len(rows))
            scores.append(logits.page_click)
            labels.append((clicks.sum(1) > 0).float())
        loss = sum(losses) / len(self._validation)
        clicked = torch.cat(labels).numpy()
        figures = {"validation_loss": loss}
        if clicked.any() and not clicked.all() and math.isfinite(loss):
            figures = {"page_auc": auc(clicked, torch.cat(scores).numpy())} | figures
        return -loss, figures

    def more_state(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_more_state(self, state: dict[str, Any]) -> None:
        """Nothing to load."""


def padded_clicks(
    evaluator: Evaluator, clicks: torch.Tensor, slates: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Clicks and slates [B, N'] -> clicks and slot mask [B, N] of the evaluator's width."""
    short = (0, evaluator.shape.slots - slates.size(1))
    mask = torch.nn.functional.pad(slates, short, value=-1) >= 0
    return torch.nn.functional.pad(clicks, short), mask
