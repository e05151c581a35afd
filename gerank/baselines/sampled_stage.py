"""What training by samples shares: a policy that is judged on validation pages by a given value."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable, Iterator
from itertools import islice

import numpy as np
import torch
from torch import Tensor

from gerank.baselines.comparator import Pages
from gerank.baselines.named_pages import NamedPages, free_candidates
from gerank.baselines.page_loss_stage import STEPS_BETWEEN_LOOKS, Schedule
from gerank.baselines.pointer_network import PointerNetwork
from gerank.baselines.slate_walk import repeated, walk
from gerank.data.batch import ExposureBatch
from gerank.train.device import batches_on, device_of, moved
from gerank.train.page_batches import PageBatches, at_most, by_page
from gerank.train.stage import Metrics, Stage, StepMetrics
from gerank.train.table_adam import adam, clip_gradients

SlateValue = Callable[[ExposureBatch, Tensor], Tensor]
"""Pages of B requests and slates [B, G, N] of them -> what these are worth [B, G]."""

_MOST_VALIDATION, _PAGES_AT_ONCE = 2000, 512


class SampledStage(Stage[PointerNetwork]):
    """A policy learns from slates that it draws; the score is the mean value of greedy ones."""

    def __init__(
        self, name: str, policy: PointerNetwork, value: SlateValue, pages: Pages, schedule: Schedule
    ) -> None:
        """A stage before its first step."""
        self.name, self.model, self.value = name, policy, value
        self.epochs = math.ceil(schedule.steps / STEPS_BETWEEN_LOOKS)
        self.steps_per_epoch = math.ceil(schedule.steps / self.epochs)
        self.optimizer = adam(policy, schedule.learning_rate)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, self.epochs * self.steps_per_epoch, schedule.learning_rate / 20
        )
        self.slots = pages.slots
        self._pages, self._seed = pages, schedule.seed
        self._validation = at_most(pages.validation, _MOST_VALIDATION)
        self._batches = PageBatches(pages.log, pages.train, schedule.batch_size)
        self._device = device_of(policy)

    @abstractmethod
    def learn_from(self, pages: ExposureBatch, share: float) -> StepMetrics:
        """One roll-out and what is learnt from it; `share` as in `PageBatches.share`."""

    def train_epoch(self, epoch: int) -> Iterator[StepMetrics]:
        """A fixed number of roll-outs over shuffled pages."""
        batches = islice(self._batches.endless(self._seed * 1009 + epoch), self.steps_per_epoch)
        rows = self._pages.train
        taught = batches_on(self._device, batches, lambda some: self._exposures(rows[some]))
        for places, pages in taught:
            yield self.learn_from(pages, self._batches.share(places))
            self.schedule.step()

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """The mean value of greedy slates of validation pages."""
        rows = self._validation

        def told(places: np.ndarray) -> tuple[Tensor]:
            pages = moved(self._exposures(rows[places]), self._device)
            state = self.model.encode(pages.features)
            greedy = walk(self.model, state, free_candidates(pages), self.slots, greedy=True)
            return (self.value(pages, greedy.slates.unsqueeze(1)).squeeze(1),)

        (values,) = by_page(self._pages.log, rows, _PAGES_AT_ONCE, told)
        score = values.mean().item()
        return score, {"value": score}

    @torch.no_grad()
    def drawn(self, pages: ExposureBatch, slates: int) -> Tensor:
        """[B, G, N] `slates` samples of the policy for each of B pages."""
        state = repeated(self.model.encode(pages.features), slates)
        free = free_candidates(pages).repeat_interleave(slates, dim=0)
        drawn = walk(self.model, state, free, self.slots).slates
        return drawn.view(-1, slates, self.slots)

    def descend(self, loss: Tensor) -> Tensor:
        """One step of the policy's optimizer; answers the gradient's norm."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = clip_gradients(self.model.parameters(), 1.0)
        self.optimizer.step()
        return norm

    def _exposures(self, rows: np.ndarray) -> ExposureBatch:
        return NamedPages.of(self._pages.log, rows, self._pages.slots).pages
