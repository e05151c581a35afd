"""Steps of an optimizer on batches of pages: in parts, and by all processes together."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from gerank.train.batch_parts import BatchPart, Places, own_part
from gerank.train.device import batches_on, device_of
from gerank.train.summed_gradients import sum_gradients
from gerank.train.table_adam import clip_gradients

Loaded = TypeVar("Loaded")


class GradientStep:
    """Makes the step that one process would make that saw the batch at once.

    A loss that is a mean over pages, times `PageBatches.share` of the same pages, is a sum of terms
    of single pages: so the gradients of parts add up to those of the batch.
    """

    def __init__(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        *,
        accumulate: int = 1,
        clip_norm: float | None = None,
    ) -> None:
        """A step of `model`, where it lies, by `optimizer`.

        Args:
            model: What learns.
            optimizer: Steps once per batch.
            accumulate: In how many parts a process works through its pages.
            clip_norm: Largest norm of the gradient; None = it is taken as it is.
        """
        self._model, self._optimizer, self._device = model, optimizer, device_of(model)
        self._accumulate, self._clip_norm = accumulate, clip_norm

    def over(
        self,
        batches: Iterable[Places],
        load: Callable[[Places], Loaded],
        loss: Callable[[BatchPart, Loaded], Tensor],
    ) -> Iterator[Tensor]:
        """Learns from batches; answers the loss of each, the mean over those who learn.

        Args:
            batches: All pages of each step, those of other processes too.
            load: Makes tensors of pages, in the memory of the host.
            loss: Tells the share that a part has in the loss of its batch, a scalar or one per
                member, from the part and what `load` made of it, on the model's device. What it
                draws at random for the whole batch is the same for every part.
        """

        def load_all(parts: list[BatchPart]) -> tuple[Loaded, ...]:
            return tuple(load(part.places) for part in parts)

        split = (own_part(batch).split(self._accumulate) for batch in batches)
        for parts, loaded in batches_on(self._device, split, load_all):
            yield self._step(parts, loaded, loss)

    def _step(
        self,
        parts: Sequence[BatchPart],
        loaded: Sequence[Loaded],
        loss: Callable[[BatchPart, Loaded], Tensor],
    ) -> Tensor:
        self._optimizer.zero_grad(set_to_none=True)
        drawn_from = torch.get_rng_state() if len(parts) > 1 else None
        total = torch.zeros((), device=self._device)
        for place, (part, pages) in enumerate(zip(parts, loaded, strict=True)):
            if place and drawn_from is not None:
                torch.set_rng_state(drawn_from)
            value = loss(part, pages)
            if part.counts:
                value.sum().backward()  # type: ignore[no-untyped-call]
                total = total + value.detach().mean()
        total = sum_gradients(self._model, {"loss": total})["loss"]
        if self._clip_norm is not None:
            clip_gradients(self._model.parameters(), self._clip_norm)
        self._optimizer.step()
        return total
