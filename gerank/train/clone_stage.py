"""The logged-like policy: a generator that learns to show what was shown."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import RerankBatch, pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.nn.generator import Generator
from gerank.train.batch_parts import BatchPart, Places
from gerank.train.device import device_of, moved
from gerank.train.gradient_step import GradientStep
from gerank.train.page_batches import PageBatches, by_page
from gerank.train.pages import as_requests
from gerank.train.stage import Metrics, Stage, StepMetrics
from gerank.train.table_adam import adam

_STEPS_BETWEEN_LOOKS = 50
_BATCH_SIZE = 64
_PAGES_AT_ONCE = 1024


class CloneStage(Stage[Generator]):
    """Maximum likelihood of the logged slates: behavior cloning, by teacher forcing.

    It is what to serve where the log gives no reason to believe in anything better, and what the
    generator is compared with. Bain and Sammut, "A framework for behavioural cloning", 1995.
    """

    name = "clone"

    def __init__(
        self,
        generator: Generator,
        log: ExposureLog,
        train: np.ndarray,
        validation: np.ndarray,
        weights: Tensor,
        *,
        steps: int,
        slots: int,
        seed: int,
        learning_rate: float = 2e-3,
        accumulate: int = 1,
    ) -> None:
        """A stage before its first step.

        Args:
            generator: What is trained, where it lies.
            log: The pages.
            train: Rows to learn from.
            validation: Rows to judge epochs by.
            weights: [U]. Preference weights of every page, which the log says nothing of.
            steps: Optimizer steps.
            slots: N.
            seed: The seed of the order of pages.
            learning_rate: The rate of Adam at the start.
            accumulate: As in `GradientStep`.
        """
        self.model = generator
        self.epochs = math.ceil(steps / _STEPS_BETWEEN_LOOKS)
        self.steps_per_epoch = math.ceil(steps / self.epochs)
        self.optimizer = adam(generator, learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, self.epochs * self.steps_per_epoch, learning_rate / 20
        )
        self._step = GradientStep(generator, self.optimizer, accumulate=accumulate, clip_norm=1.0)
        self._log, self._train, self._validation = log, train, validation
        self._weights, self._slots, self._seed = weights, slots, seed
        self._batches = PageBatches(log, train, _BATCH_SIZE)
        self.pages_per_step = self._batches.mean_size
        self._device = device_of(generator)

    def train_epoch(self, epoch: int) -> Iterator[StepMetrics]:
        """A fixed number of steps over shuffled pages."""
        batches = islice(self._batches.endless(self._seed * 1009 + epoch), self.steps_per_epoch)

        def load(places: Places) -> tuple[RerankBatch, Tensor]:
            return self._load(self._train[places])

        for loss in self._step.over(batches, load, self._loss):
            self.schedule.step()
            yield {"loss": loss}

    def _loss(self, part: BatchPart, loaded: tuple[RerankBatch, Tensor]) -> Tensor:
        """What a part adds to the loss of its batch."""
        return -self._log_prob(*loaded).mean() * self._batches.share(part.places)

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """Mean log-probability of the logged slates of validation pages."""
        rows = self._validation

        def told(places: np.ndarray) -> tuple[Tensor]:
            return (self._log_prob(*moved(self._load(rows[places]), self._device)),)

        (log_prob,) = by_page(self._log, rows, _PAGES_AT_ONCE, told)
        score = log_prob.mean().item()
        return score, {"log_prob": score}

    def _load(self, rows: np.ndarray) -> tuple[RerankBatch, Tensor]:
        """Pages as requests, and the exposed slates [B, N]."""
        pages = self._log.batch(rows, self._slots)
        weights = self._weights.expand(len(rows), -1)
        batch = as_requests(pages, weights, self._log.schema, slots=self._slots)
        return batch, pad_slots(pages.slates, self._slots)

    def _log_prob(self, batch: RerankBatch, slates: Tensor) -> Tensor:
        """[B] log-probability of the slates [B, N]."""
        encoded = self.model.encode_batch(batch)
        log_prob, _ = self.model.slate_log_prob(encoded, batch, slates.unsqueeze(1))
        return log_prob.sum((1, 2))
