"""Fits an ensemble of structured evaluators: maximum a posteriori, best checkpoint per member."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gerank.data.batch import ExposureBatch, pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.nn.structured import PageEvaluator, PlacedItems
from gerank.train.batch_parts import BatchPart, Places
from gerank.train.best_members import BestMembers, EnsembleStage
from gerank.train.choices import FitPrecision
from gerank.train.device import CPU, moved, products_in
from gerank.train.gradient_step import GradientStep
from gerank.train.page_batches import PageBatches, at_most, by_page
from gerank.train.stage import Metrics, StepMetrics

_STEPS_BETWEEN_LOOKS = 50
_FAST, _LAGS, _SLOW = 2e-2, 3e-3, 1e-3
_FAST_PARAMETERS = ("linear", "id_weight", "user_linear", "user_id_weight", "side", "bias")
_PAGES_AT_ONCE = 2048


class StructuredStage(EnsembleStage[PageEvaluator]):
    """Minus the mean log-likelihood of pages, plus the prior over the number of pages.

    Members differ by the strength of their prior, by whether items count at all, or by the pages
    they are shown; they see the same batches. The number of steps does not depend on the size of
    the log. Slot parameters learn fast: at the rate of the networks they would stay behind, and
    the form of reading would look wrong for it.
    """

    def __init__(
        self,
        name: str,
        evaluator: PageEvaluator,
        log: ExposureLog,
        train: np.ndarray,
        validation: np.ndarray,
        prior_strengths: Tensor,
        *,
        steps: int,
        seed: int,
        page_weights: Tensor | None = None,
        warm: Callable[[PageEvaluator], None] | None = None,
        device: torch.device = CPU,
        precision: FitPrecision = FitPrecision.FLOAT32,
        accumulate: int = 1,
    ) -> None:
        """A stage before its first step.

        Args:
            name: As in checkpoints and metrics.
            evaluator: The ensemble of K members that is trained, on the CPU.
            log: The pages.
            train: Rows to learn from.
            validation: Rows to choose every member's checkpoint by.
            prior_strengths: [K]. Holds the strength of each member's prior.
            steps: Optimizer steps.
            seed: The seed of the order of pages.
            page_weights: [K, len(train)]. How often a member sees a page; None = once.
            warm: Puts earlier weights over the starting values; None = the members start fresh.
            device: Where the ensemble is moved to, and learns.
            precision: In which numbers matrices are multiplied.
            accumulate: As in `GradientStep`.
        """
        self.name, self.model = name, evaluator
        self.epochs = math.ceil(steps / _STEPS_BETWEEN_LOOKS)
        self.steps_per_epoch = math.ceil(steps / self.epochs)
        self._log, self._train, self._validation = log, train, validation
        self._strengths, self._seed = prior_strengths.to(device), seed
        self._device, self._precision = device, precision
        members = evaluator.shape.members
        weights = torch.ones(members, len(train)) if page_weights is None else page_weights
        self._weights = weights / weights.mean(1, keepdim=True).clamp(min=1e-6)
        self._batches = PageBatches(log, train, int(min(128, max(32, len(train) // 25))))
        self.pages_per_step = self._batches.mean_size
        self._rates = _slot_rates(log, train, evaluator.shape.slots)
        evaluator.start(self._rates)
        if warm is not None:
            warm(evaluator)
        evaluator.to(device)
        groups = parameter_groups(evaluator, evaluator.shared_names)
        self.optimizer = torch.optim.Adam(groups, fused=True)
        self.schedule = torch.optim.lr_scheduler.CosineAnnealingLR(
            self.optimizer, self.epochs * self.steps_per_epoch
        )
        self._step = GradientStep(evaluator, self.optimizer, accumulate=accumulate)
        self.best = BestMembers(evaluator, members)

    def train_epoch(self, epoch: int) -> Iterator[StepMetrics]:
        """A fixed number of steps over shuffled pages."""
        batches = islice(self._batches.endless(self._seed * 1009 + epoch), self.steps_per_epoch)
        for loss in self._step.over(batches, self._load, self._loss):
            self.schedule.step()
            yield {"loss": loss}

    def _load(self, places: Places) -> tuple[ExposureBatch, Tensor]:
        pages = self._log.batch(self._train[places], self.model.shape.slots)
        return pages, self._weights[:, torch.from_numpy(places)]

    def _loss(self, part: BatchPart, loaded: tuple[ExposureBatch, Tensor]) -> Tensor:
        """[K] what a part adds to the loss of its batch."""
        pages, weights = loaded
        with products_in(self._precision, self._device):
            placed = self.model.place_exposed(pages)
        placed = PlacedItems(placed.logits.float(), placed.strength.float(), placed.mask)
        likelihood = self.model.log_likelihood(placed, pages.clicks)  # [K, B]
        fit = -(likelihood * weights).mean(1)
        loss = fit + self.model.prior(self._strengths) / len(self._train)
        return loss * self._batches.share(part.places)

    @torch.no_grad()
    def validate(self) -> tuple[float, Metrics]:
        """Keeps every member's best parameters; the score is minus the best mean loss so far."""
        loss = -self.held_out(self._validation).mean(1)
        self.best.keep(loss)
        best = self.best.loss.min().item()
        return (-best if math.isfinite(best) else math.nan), {"validation_loss": loss.min().item()}

    @torch.no_grad()
    def held_out(self, rows: np.ndarray) -> Tensor:
        """[K, len(rows)] log-likelihood of the pages `rows`."""

        def likelihood(places: np.ndarray) -> tuple[Tensor]:
            pages = moved(self._log.batch(rows[places], self.model.shape.slots), self._device)
            return (self.model.log_likelihood(self.model.place_exposed(pages), pages.clicks),)

        return by_page(self._log, rows, _PAGES_AT_ONCE, likelihood, dim=1)[0]


def _slot_rates(log: ExposureLog, rows: np.ndarray, slots: int) -> Tensor:
    """[N] click rate of every slot, drawn to the overall one where few pages show the slot."""
    pages = log.shown(at_most(rows), slots)
    shown = pad_slots(pages.slates, slots) >= 0
    clicks = pad_slots(pages.clicks, slots, 0)
    overall = (clicks.sum() + 0.5) / (shown.sum() + 1)
    return (clicks.sum(0) + 4 * overall) / (shown.sum(0) + 4)


def parameter_groups(model: nn.Module, shared: frozenset[str]) -> list[dict[str, Any]]:
    """Learning rates: fast for what is convex or nearly so, slower for lags and networks.

    Args:
        model: Has an `attraction`.
        shared: Names of parameters that are not learnt.
    """
    groups: dict[float, list[nn.Parameter]] = {_FAST: [], _LAGS: [], _SLOW: []}
    for name, parameter in model.named_parameters():
        if name in shared:
            continue
        rate = _SLOW
        part = name.removeprefix("attraction.")
        if name.startswith(("reading.", "slot")) or part in _FAST_PARAMETERS:
            rate = _FAST
        elif name.startswith("repeats."):
            rate = _LAGS
        groups[rate].append(parameter)
    return [{"params": some, "lr": rate} for rate, some in groups.items()]
