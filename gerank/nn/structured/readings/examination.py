"""The examination hypothesis: P(click at n) = sigma(e_n) sigma(z_n)."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.nn.structured.readings.independent import IndependentReading
from gerank.nn.structured.readings.reading import logit

_TOP_EXAMINATION = 0.95


class ExaminationReading(IndependentReading):
    """The position-based model: a slot is looked at or not, whatever else stands on the page.

    Craswell et al., "An experimental comparison of click position-bias models", WSDM 2008.
    """

    def start_from(self, rates: Tensor) -> Tensor:
        """See `Reading`."""
        top = float(rates.max())
        shares = [logit(_TOP_EXAMINATION * rate / top) for rate in rates.tolist()]
        self.slot.data.copy_(torch.tensor(shares))
        return torch.tensor(logit(top / _TOP_EXAMINATION))

    def probability(self, logits: Tensor) -> Tensor:
        """See `IndependentReading`."""
        slots = logits.size(2)
        return torch.sigmoid(self.slot[:, None, :slots, None]) * torch.sigmoid(logits)
