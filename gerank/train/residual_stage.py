"""The five channels learn what the structured evaluator leaves over."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.nn.evaluator import Evaluator
from gerank.train.batch_parts import BatchPart, Places
from gerank.train.choices import FitPrecision
from gerank.train.config import EvaluatorConfig
from gerank.train.device import device_of, moved, products_in
from gerank.train.gradient_step import GradientStep
from gerank.train.page_batches import PageBatches, by_page
from gerank.train.stage import Metrics, Stage, StepMetrics

_STEPS_BETWEEN_LOOKS = 50
_PAGES_AT_ONCE = 1024
_CLIP_NORM = 5.0


class ResidualStage(Stage[Evaluator]):
    """Minus the log-likelihood of pages, the structured part frozen, the residual drawn to zero."""

    def __init__(
        self,
        name: str,
        evaluator: Evaluator,
        log: ExposureLog,
        train: np.ndarray,
        validation: np.ndarray,
        config: EvaluatorConfig,
        prior_strength: float,
        seed: int,
        precision: FitPrecision = FitPrecision.FLOAT32,
        *,
        accumulate: int = 1,
    ) -> None:
        """A stage before its first step; `accumulate` as in `GradientStep`."""
        if evaluator.residual is None:
            raise ValueError("the evaluator has no residual to train")
        self.name, self.model = name, evaluator
        evaluator.structured.requires_grad_(False)
        self.epochs = math.ceil(config.residual_steps / _STEPS_BETWEEN_LOOKS)
        self.steps_per_epoch = math.ceil(config.residual_steps / self.epochs)
        self.optimizer = torch.optim.AdamW(
            evaluator.residual.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
        )
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, self.epochs * self.steps_per_epoch
        )
        self._step = GradientStep(
            evaluator, self.optimizer, accumulate=accumulate, clip_norm=_CLIP_NORM
        )
        self._log, self._train, self._validation = log, train, validation
        self._batches, self._seed = PageBatches(log, train, config.batch_size), seed
        self.pages_per_step = self._batches.mean_size
        self._prior = prior_strength / len(train)
        self._device, self._precision = device_of(evaluator), precision

    def train_epoch(self, epoch: int) -> Iterator[StepMetrics]:
        """A fixed number of steps over shuffled pages."""
        batches = islice(self._batches.endless(self._seed * 1009 + epoch), self.steps_per_epoch)
        for loss in self._step.over(batches, self._load, self._loss):
            self.schedule.step()
            yield {"loss": loss}

    def _load(self, places: Places) -> ExposureBatch:
        return self._log.batch(self._train[places], self.model.shape.structured.slots)

    def _loss(self, part: BatchPart, pages: ExposureBatch) -> Tensor:
        """What a part adds to the loss of its batch."""
        plain, placed = self._placed(pages, part)
        added = (placed.logits - plain)[0] * placed.mask  # [B, N]
        likelihood = self.model.structured.log_likelihood(placed, pages.clicks)[0]
        loss: Tensor = (self._prior * added.square().sum(1) / 2 - likelihood).mean()
        return loss * self._batches.share(part.places)

    def _placed(self, pages: ExposureBatch, part: BatchPart) -> tuple[Tensor, Any]:
        with torch.no_grad():
            plain = self.model.structured.place_exposed(pages)
        residual = self.model.residual
        assert residual is not None
        residual.dropout.part = None if part.is_whole else (part.first, part.whole)
        with products_in(self._precision, self._device):
            items = residual.items(*pages.features, pages.above)
            added = residual(items, pages.slates.unsqueeze(1))
        return plain.logits, self.model.with_residual(plain, added.float())

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """Mean log-likelihood of validation pages."""
        score = held_out_likelihood(self.model, self._log, self._validation).mean().item()
        return (score if math.isfinite(score) else math.nan), {"validation_loss": -score}


@torch.no_grad()
def held_out_likelihood(evaluator: Evaluator, log: ExposureLog, rows: np.ndarray) -> Tensor:
    """[len(rows)] log-likelihood of the clicks of pages, each given those above."""
    device = device_of(evaluator)

    def likelihood(places: np.ndarray) -> tuple[Tensor]:
        pages = moved(log.batch(rows[places], evaluator.shape.structured.slots), device)
        placed = evaluator.exposed(pages)
        return (evaluator.structured.log_likelihood(placed, pages.clicks)[0],)

    return by_page(log, rows, _PAGES_AT_ONCE, likelihood)[0]
