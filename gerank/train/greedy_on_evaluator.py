"""The evaluator as a policy: slot by slot the candidate that it expects most clicks of."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.pinned_above import shown_above
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.orders import name_ranks
from gerank.train.page_batches import by_page

_PAGES_AT_ONCE, _SLATES_AT_ONCE = 1024, 1 << 14  # bound the memory that a slot takes
_LAST = torch.iinfo(torch.int64).max
_ROUNDING = 1e-5  # two sums of the same numbers in another order differ by less


def greedy_slates(feedback: EvaluatorFeedback, log: ExposureLog, slots: int) -> Tensor:
    """What a page would be without a generator: [E, N] int64, -1 behind the end.

    Every slot takes the candidate with the largest probability of a click there, given what stands
    above; an item that stands above the page does not come again. It looks one slot ahead and knows
    no other utility and no preference weight: a generator that is not better than it has learnt
    nothing beyond the evaluator.

    Args:
        feedback: The evaluator.
        log: The E pages.
        slots: N.
    """

    def walked(rows: np.ndarray) -> tuple[Tensor]:
        return (_greedy(feedback, rows, log.batch(rows), name_ranks(log, rows), slots),)

    rows = np.arange(len(log))
    return by_page(log, rows, _PAGES_AT_ONCE, walked, candidates=_SLATES_AT_ONCE)[0]


def _greedy(
    feedback: EvaluatorFeedback, rows: np.ndarray, pages: ExposureBatch, ranks: Tensor, slots: int
) -> Tensor:
    """[B, N] of B pages; `ranks` [B, M] break ties."""
    free = pages.candidate_mask & ~shown_above(pages)  # [B, M]
    requests, candidates = free.shape
    slates = torch.full((requests, slots), -1)
    tried = torch.arange(candidates).expand(requests, candidates).unsqueeze(-1)  # [B, M, 1]
    for slot in range(min(slots, candidates)):
        above = slates[:, None, :slot].expand(-1, candidates, -1)
        click = feedback(rows, pages, torch.cat([above, tried], dim=2))[0][..., slot]  # [B, M]
        click = click.masked_fill(~free, -1.0)
        best = click >= click.amax(dim=1, keepdim=True) * (1 - _ROUNDING)
        chosen = ranks.masked_fill(~best, _LAST).argmin(dim=1)
        left = free.any(dim=1)
        slates[left, slot] = chosen[left]
        free[torch.arange(requests), chosen] = False
    return slates
