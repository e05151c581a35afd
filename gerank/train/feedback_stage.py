"""Fits the heads of further feedback: maximum a posteriori, best checkpoint per head."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.nn.feedback_heads import FeedbackHeads
from gerank.train.batch_parts import BatchPart, Places
from gerank.train.best_members import BestMembers, EnsembleStage
from gerank.train.choices import FitPrecision
from gerank.train.device import device_of, moved, products_in
from gerank.train.gradient_step import GradientStep
from gerank.train.page_batches import PageBatches, by_page
from gerank.train.stage import Metrics, StepMetrics
from gerank.train.structured_stage import parameter_groups

_STEPS_BETWEEN_LOOKS = 50
_PAGES_AT_ONCE = 2048


class FeedbackStage(EnsembleStage[FeedbackHeads]):
    """Minus the mean log-likelihood of what is known, plus the prior over the number of pages.

    A head that is conditioned on clicks learns from clicked slots alone.
    """

    def __init__(
        self,
        name: str,
        heads: FeedbackHeads,
        log: ExposureLog,
        train: np.ndarray,
        validation: np.ndarray,
        prior_strengths: Tensor,
        *,
        steps: int,
        seed: int,
        precision: FitPrecision = FitPrecision.FLOAT32,
        accumulate: int = 1,
    ) -> None:
        """A stage before its first step.

        Args:
            name: As in checkpoints and metrics.
            heads: H heads of kinds of the log.
            log: The pages.
            train: Rows to learn from.
            validation: Rows to choose every head's checkpoint by.
            prior_strengths: [H]. Holds the strength of each head's prior.
            steps: Optimizer steps.
            seed: The seed of the order of pages.
            precision: In which numbers matrices are multiplied while the heads learn.
            accumulate: As in `GradientStep`.
        """
        self.name, self.model = name, heads
        self.epochs = math.ceil(steps / _STEPS_BETWEEN_LOOKS)
        self.steps_per_epoch = math.ceil(steps / self.epochs)
        self._log, self._train, self._validation = log, train, validation
        self._device, self._precision = device_of(heads), precision
        self._strengths, self._seed = prior_strengths.to(self._device), seed
        self._batches = PageBatches(log, train, int(min(128, max(32, len(train) // 25))))
        self.pages_per_step = self._batches.mean_size
        kinds = [kind.name for kind in log.schema.feedback]
        self._columns = torch.tensor([kinds.index(name) for name in heads.names])
        after_click = torch.tensor([head.after_click for head in heads.shape.heads])
        self._after_click = after_click[:, None, None].to(self._device)
        self.optimizer = torch.optim.Adam(parameter_groups(heads, heads.shared_names), fused=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, self.epochs * self.steps_per_epoch
        )
        self._step = GradientStep(heads, self.optimizer, accumulate=accumulate)
        self.best = BestMembers(heads, len(heads.names))

    def train_epoch(self, epoch: int) -> Iterator[StepMetrics]:
        """A fixed number of steps over shuffled pages."""
        batches = islice(self._batches.endless(self._seed * 1009 + epoch), self.steps_per_epoch)

        def load(places: Places) -> tuple[ExposureBatch, Tensor]:
            return self._load(self._train[places])

        for loss in self._step.over(batches, load, self._loss):
            self.schedule.step()
            yield {"loss": loss}

    def _loss(self, part: BatchPart, loaded: tuple[ExposureBatch, Tensor]) -> Tensor:
        """[H] what a part adds to the loss of its batch."""
        pages, values = loaded
        with products_in(self._precision, self._device):
            predictor = self.model.exposed(pages)
        loss = self._losses(pages, values, predictor.float()).mean(1)
        loss = loss + self.model.prior(self._strengths) / len(self._train)
        return loss * self._batches.share(part.places)

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """Keeps every head's best parameters; the score is minus the mean of the best losses."""
        loss = self.held_out(self._validation)
        self.best.keep(loss)
        return -self.best.loss.mean().item(), {"validation_loss": loss.mean().item()}

    @torch.no_grad()
    def held_out(self, rows: np.ndarray) -> Tensor:
        """[H] mean loss per page of the pages `rows`."""

        def told(places: np.ndarray) -> tuple[Tensor]:
            pages, values = moved(self._load(rows[places]), self._device)
            return (self._losses(pages, values, self.model.exposed(pages)),)

        (losses,) = by_page(self._log, rows, _PAGES_AT_ONCE, told, dim=1)
        return losses.mean(1)

    def _load(self, rows: np.ndarray) -> tuple[ExposureBatch, Tensor]:
        """Pages, and the values [H, B, N] of what the heads predict; NaN where unknown."""
        slots = self.model.shape.slots
        values = self._log.feedback_batch(rows, slots)[..., self._columns].movedim(-1, 0)
        return self._log.batch(rows, slots), values

    def _losses(self, pages: ExposureBatch, values: Tensor, predictor: Tensor) -> Tensor:
        """[H, B] loss of each page, summed over the slots that a head learns from."""
        told = ~values.isnan() & (~self._after_click | (pages.clicks > 0))
        losses = self.model.losses(predictor, values.nan_to_num())
        return torch.where(told, losses, torch.zeros_like(losses)).sum(-1)
