"""The examination hypothesis: P(click at n) = sigma(e_n) sigma(z_n)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gerank.nn.structured.readings.reading import (
    Reading,
    independent_counts,
    independent_log_likelihood,
    logit,
)

_TOP_EXAMINATION = 0.95


class ExaminationReading(Reading):
    """The position-based model: a slot is looked at or not, whatever else stands on the page.

    Craswell et al., "An experimental comparison of click position-bias models", WSDM 2008.
    """

    def __init__(self, members: int, slots: int) -> None:
        super().__init__(members, slots)
        self.slot = nn.Parameter(torch.zeros(members, slots))

    def start_from(self, rates: Tensor) -> Tensor:
        """See `Reading`."""
        top = float(rates.max())
        shares = [logit(_TOP_EXAMINATION * rate / top) for rate in rates.tolist()]
        self.slot.data.copy_(torch.tensor(shares))
        return torch.tensor(logit(top / _TOP_EXAMINATION))

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
        return torch.sigmoid(self.slot[:, None, :slots, None]) * torch.sigmoid(logits)
