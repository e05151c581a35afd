"""A network learns a loss of whole pages; without a run folder, for a comparator keeps no run."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gerank.baselines.comparator import Pages
from gerank.baselines.named_pages import NamedPages
from gerank.data.batch import ExposureBatch
from gerank.train.device import batches_on, device_of, moved
from gerank.train.page_batches import PageBatches, at_most, by_page
from gerank.train.run_folder import RunError
from gerank.train.stage import Metrics, Stage, StepMetrics
from gerank.train.table_adam import adam, clip_gradients

PageLoss = Callable[[ExposureBatch], Tensor]
"""Pages of B requests -> their losses [B], with gradient."""

STEPS_BETWEEN_LOOKS = 25
_MOST_VALIDATION, _PAGES_AT_ONCE = 4000, 512


@dataclass(frozen=True)
class Schedule:
    """How a network learns.

    Attributes:
        steps: Optimizer steps, at most.
        learning_rate: Is the rate of Adam, decayed to a twentieth along a cosine.
        batch_size: Pages per step.
        seed: The seed of the order of pages.
        patience: Training ends after so many looks at the validation pages without a better one.
    """

    steps: int
    learning_rate: float
    batch_size: int
    seed: int
    patience: int = 6


class PageLossStage(Stage[nn.Module]):
    """Steps of Adam on the mean loss of a batch of pages; the score is minus that of validation."""

    def __init__(
        self, name: str, model: nn.Module, loss: PageLoss, pages: Pages, schedule: Schedule
    ) -> None:
        """A stage before its first step; `loss` asks the `model`."""
        self.name, self.model = name, model
        self.epochs = math.ceil(schedule.steps / STEPS_BETWEEN_LOOKS)
        self.steps_per_epoch = math.ceil(schedule.steps / self.epochs)
        self.optimizer = adam(model, schedule.learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, self.epochs * self.steps_per_epoch, schedule.learning_rate / 20
        )
        self._loss, self._pages, self._seed = loss, pages, schedule.seed
        self._validation = at_most(pages.validation, _MOST_VALIDATION)
        self._batches = PageBatches(pages.log, pages.train, schedule.batch_size)
        self._device = device_of(model)

    def train_epoch(self, epoch: int) -> Iterator[StepMetrics]:
        """A fixed number of steps over shuffled pages."""
        batches = islice(self._batches.endless(self._seed * 1009 + epoch), self.steps_per_epoch)
        rows = self._pages.train
        taught = batches_on(self._device, batches, lambda some: self._exposures(rows[some]))
        for places, exposures in taught:
            loss = self._loss(exposures).mean() * self._batches.share(places)
            self.optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            clip_gradients(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            yield {"loss": loss.detach()}

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """Minus the mean loss of validation pages."""
        rows = self._validation

        def told(places: np.ndarray) -> tuple[Tensor]:
            return (self._loss(moved(self._exposures(rows[places]), self._device)),)

        (losses,) = by_page(self._pages.log, rows, _PAGES_AT_ONCE, told)
        score = -losses.mean().item()
        return score, {"validation_loss": -score}

    def _exposures(self, rows: np.ndarray) -> ExposureBatch:
        return NamedPages.of(self._pages.log, rows, self._pages.slots).pages


def teach(stage: Stage[Any], patience: int) -> None:
    """Trains a stage in memory; its model holds the best parameters then, and is in `eval` mode.

    Args:
        stage: Before its first step.
        patience: Training ends after so many looks at the validation pages without a better one.

    Raises:
        RunError: The training diverged.
    """
    best_score, best, since = -math.inf, copy.deepcopy(stage.model.state_dict()), 0
    for epoch in range(stage.epochs):
        stage.model.train()
        for _ in stage.train_epoch(epoch):
            pass
        stage.model.eval()
        score, _ = stage.validate()
        if not math.isfinite(score):
            raise RunError(
                f"{stage.name}: the score of epoch {epoch} is {score}: training diverged; a "
                "smaller learning_rate may help"
            )
        since += 1
        if score > best_score:
            best_score, best, since = score, copy.deepcopy(stage.model.state_dict()), 0
        if since >= patience:
            break
    stage.model.load_state_dict(best)
    stage.model.eval()
