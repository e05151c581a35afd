"""A form of reading that somebody outside of gerank wrote: only the top slot is looked at."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.nn.structured.readings import Reading


class TopOnly(Reading):
    """P(click at 0) = sigma(z_0); nothing else is clicked."""

    def start_from(self, rates: Tensor) -> Tensor:
        return torch.logit(rates[0])

    def page_log_likelihood(self, logits: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        chance = self.page_marginal(logits, mask)
        wide = clicks[None, :, :, None]
        said = torch.where(wide > 0, chance, 1 - chance).clamp(min=1e-7).log()
        return (said * mask[None, :, :, None]).sum(2)

    def page_marginal(self, logits: Tensor, mask: Tensor) -> Tensor:
        top = torch.arange(logits.size(2)).view(-1, 1) == 0
        return torch.sigmoid(logits) * top * mask[None, :, :, None]

    def page_counts(self, logits: Tensor, mask: Tensor) -> Tensor:
        one = self.page_marginal(logits, mask)[:, :, 0]
        return torch.stack([1 - one, one])
