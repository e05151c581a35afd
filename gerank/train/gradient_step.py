"""One step of an optimizer on a batch of pages: in parts, and by all processes together."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from gerank.train.batch_parts import BatchPart, Places, own_part
from gerank.train.summed_gradients import sum_gradients
from gerank.train.table_adam import clip_gradients


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
        """A step of `model` by `optimizer`.

        Args:
            model: What learns.
            optimizer: Steps once per call.
            accumulate: In how many parts a process works through its pages.
            clip_norm: Largest norm of the gradient; None = it is taken as it is.
        """
        self._model, self._optimizer = model, optimizer
        self._accumulate, self._clip_norm = accumulate, clip_norm

    def __call__(self, batch: Places, loss: Callable[[BatchPart], Tensor]) -> float:
        """Learns from a batch; answers its loss, the mean over those who learn side by side.

        Args:
            batch: All its pages, those of other processes too.
            loss: Of a part -> its share of the loss of the batch, a scalar or one per member. What
                it draws at random for the whole batch is the same for every part.
        """
        self._optimizer.zero_grad(set_to_none=True)
        parts = own_part(batch).split(self._accumulate)
        drawn_from = torch.get_rng_state() if len(parts) > 1 else None
        total = 0.0
        for place, part in enumerate(parts):
            if place and drawn_from is not None:
                torch.set_rng_state(drawn_from)
            value = loss(part)
            if part.counts:
                value.sum().backward()  # type: ignore[no-untyped-call]
                total += value.detach().mean().item()
        total = sum_gradients(self._model, {"loss": total})["loss"]
        if self._clip_norm is not None:
            clip_gradients(self._model.parameters(), self._clip_norm)
        self._optimizer.step()
        return total
