"""A hidden reader walks down the page, may lose patience, and may leave after a click."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gerank.nn.structured.readings.reading import Reading, logit


class HiddenReader(Reading):
    """The dynamic Bayesian network click model, with the dependent click model as its case.

    The reader looks at slot 0 with probability g_0; at slot n he clicks with probability
    sigma(z_n) if he still reads; he reads on to slot n + 1 with probability g_{n+1}, and after a
    click with (1 - lambda) g_{n+1}. Chapelle and Zhang, "A dynamic Bayesian network click model
    for web search ranking", WWW 2009; Guo, Liu and Wang, "Efficient multiple-click models in web
    search", WSDM 2009. Clicks are fitted by the exact forward filter of "still reads", and slates
    are judged by the exact marginal r_{n+1} = r_n g_{n+1} (1 - lambda sigma(z_n)).
    """

    def __init__(self, members: int, slots: int) -> None:
        super().__init__(members, slots)
        self.slot = nn.Parameter(torch.full((members, slots), 2.0))  # g = sigma(slot)
        self.leave = nn.Parameter(torch.full((members,), logit(0.1)))

    def start_from(self, rates: Tensor) -> Tensor:
        """See `Reading`."""
        ratios = (rates[1:] / rates[:-1]).clamp(0.5, 0.98).tolist()
        patience = [0.95, *ratios]
        self.slot.data.copy_(torch.tensor([logit(value) for value in patience]))
        return torch.tensor(logit(float(rates[0]) / patience[0]))

    def page_log_likelihood(self, logits: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        patience, stay = self._walk()
        attraction = torch.sigmoid(logits)
        reads = patience[:, 0].expand(logits.shape[:2] + logits.shape[3:])  # [K, E, Q]
        total = torch.zeros_like(reads)
        for slot in range(logits.size(2)):
            clicked = clicks[None, :, slot, None] > 0
            filled = mask[None, :, slot, None]
            chance = (reads * attraction[:, :, slot]).clamp(1e-7, 1 - 1e-7)
            total = total + torch.where(clicked, chance, 1 - chance).log() * filled
            missed = reads * (1 - attraction[:, :, slot]) / (1 - chance)
            after = torch.where(clicked, stay, missed)
            reads = torch.where(filled, after, reads)
            if slot + 1 < logits.size(2):
                reads = reads * torch.where(filled, patience[:, slot + 1], 1.0)
        return total

    def page_marginal(self, logits: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        patience, stay = self._walk()
        attraction = torch.sigmoid(logits)
        reads = patience[:, 0].expand(logits.shape[:2] + logits.shape[3:])
        chances = []
        for slot in range(logits.size(2)):
            filled = mask[None, :, slot, None]
            chance = reads * attraction[:, :, slot]
            chances.append(chance)
            if slot + 1 < logits.size(2):
                after = (reads - (1 - stay) * chance) * patience[:, slot + 1]
                reads = torch.where(filled, after, reads)
        return torch.stack(chances, dim=2)

    def page_counts(self, logits: Tensor, mask: Tensor) -> Tensor:
        """See `Reading`."""
        patience, stay = self._walk()
        attraction = torch.sigmoid(logits) * mask[None, :, :, None]
        shape = logits.shape[:2] + logits.shape[3:]
        reads = [patience[:, 0].expand(shape), torch.zeros(shape, device=logits.device)]
        left = [1 - reads[0], torch.zeros(shape, device=logits.device)]  # [clicks so far]
        for slot in range(logits.size(2)):
            click = attraction[:, :, slot]
            filled = mask[None, :, slot, None]
            on = (
                torch.where(filled, patience[:, slot + 1], 1.0)
                if slot + 1 < logits.size(2)
                else 1.0
            )
            before = reads
            reads = [before[0] * (1 - click) * on]
            reads.append((before[1] * (1 - click) + before[0] * click * stay) * on)
            left = [
                left[0] + before[0] * (1 - click) * (1 - on),
                left[1] + before[1] * (1 - click) * (1 - on) + before[0] * click * (1 - stay * on),
            ]
        return torch.stack([reads[0] + left[0], reads[1] + left[1]])

    def _walk(self) -> tuple[Tensor, Tensor]:
        """G as [K, N, 1, 1] (so that g[:, n] is [K, 1, 1]) and 1 - lambda as [K, 1, 1]."""
        patience = torch.sigmoid(self.slot)[:, :, None, None]
        return patience, 1 - torch.sigmoid(self.leave)[:, None, None]
