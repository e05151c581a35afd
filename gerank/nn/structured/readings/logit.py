"""Slots shift the logit: P(click at n) = sigma(z_n + e_n)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gerank.nn.structured.readings.reading import (
    Reading,
    independent_counts,
    independent_log_likelihood,
    logit,
)


class LogitReading(Reading):
    """The additive position effect of a logistic regression.

    Slots differ by odds, not by whether they are looked at at all.
    """

    def __init__(self, members: int, slots: int) -> None:
        super().__init__(members, slots)
        self.slot = nn.Parameter(torch.zeros(members, slots))

    def start_from(self, rates: Tensor) -> Tensor:
        """See `Reading`."""
        odds = torch.tensor([logit(rate) for rate in rates.tolist()])
        self.slot.data.copy_(odds - odds.mean())
        return odds.mean()

    def page_log_likelihood(self, logits: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        return independent_log_likelihood(self._probability(logits), clicks, mask)

    def page_marginal(self, logits: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        return self._probability(logits)

    def page_counts(self, logits: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        return independent_counts(self._probability(logits), mask)

    def _probability(self, logits: Tensor) -> Tensor:
        slots = logits.size(2)
        return torch.sigmoid(logits + self.slot[:, None, :slots, None])
