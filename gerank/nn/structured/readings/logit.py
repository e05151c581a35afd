"""Slots shift the logit: P(click at n) = sigma(z_n + e_n)."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.nn.structured.readings.independent import IndependentReading
from gerank.nn.structured.readings.reading import logit


class LogitReading(IndependentReading):
    """The additive position effect of a logistic regression.

    Slots differ by odds, not by whether they are looked at at all.
    """

    def start_from(self, rates: Tensor) -> Tensor:
        """See `Reading`."""
        odds = torch.tensor([logit(rate) for rate in rates.tolist()])
        self.slot.data.copy_(odds - odds.mean())
        return odds.mean()

    def probability(self, logits: Tensor) -> Tensor:
        """See `IndependentReading`."""
        slots = logits.size(2)
        return torch.sigmoid(logits + self.slot[:, None, :slots, None])
