"""What forms have in common in which slots are clicked independently, given page and intent."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gerank.nn.structured.readings.reading import Reading


class IndependentReading(Reading):
    """Slot n is clicked with a probability of its own; a form states it, and its start."""

    def __init__(self, members: int, slots: int) -> None:
        super().__init__(members, slots)
        self.slot = nn.Parameter(torch.zeros(members, slots))

    def probability(self, logits: Tensor) -> Tensor:
        """P(click at n): [K, E, N, Q] of logits [K, E, N, Q]."""
        raise NotImplementedError

    def page_log_likelihood(self, logits: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        probability = self.probability(logits)
        clicked = clicks.view(1, *clicks.shape, 1) > 0
        chance = torch.where(clicked, probability, 1 - probability)
        return (chance.clamp(min=1e-7).log() * mask.view(1, *mask.shape, 1)).sum(2)

    def page_marginal(self, logits: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        return self.probability(logits)

    def page_counts(self, logits: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        missed = 1 - self.probability(logits) * mask.view(1, *mask.shape, 1)
        missed = missed.clamp(min=1e-7)
        none = missed.log().sum(2).exp()
        return torch.stack([none, none * ((1 - missed) / missed).sum(2)])
