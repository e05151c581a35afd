"""The distributions that a slate was drawn from, slot by slot, out of scores of alternatives."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from gerank.data.batch import RerankBatch
from gerank.data.pinned_above import below_above, own_slots

_SLATES_AT_ONCE = 4096


def step_probabilities(
    encoded: Sequence[Tensor],
    batch: RerankBatch,
    chosen: Tensor,
    candidates: int,
    window: int,
    shown: int | None = None,
) -> Tensor:
    """Every candidate's probability at every slot of a slate, given the slots above it.

    The op that scores given slates knows the rules: it is asked about an alternative for each slot
    and candidate.

    Args:
        encoded: One request after the generator's encoder, see `gerank.nn.generator.Encoded`.
        batch: The same request, with its rules.
        chosen: [N] int64. Its slate, -1 where empty.
        candidates: M, without the padding that stands for what is above the page.
        window: Slots that "recent" looks back in the local context.
        shown: The first slots that are asked about; None = all N.

    Returns:
        [shown, M] float64. 0 where the rules forbid the candidate.
    """
    shown = len(chosen) if shown is None else shown
    alternatives = _alternatives(chosen, candidates, shown)
    parts = []
    for first in range(0, len(alternatives), _SLATES_AT_ONCE):
        own = alternatives[first : first + _SLATES_AT_ONCE].unsqueeze(0)
        slates = below_above(batch, own)
        scored = torch.ops.gerank.slate_log_prob(*encoded, *batch.rules, slates, window)
        parts.append(own_slots(batch, scored[0])[0])
    log_prob = torch.cat(parts)  # [shown * M, N]
    by_slot = log_prob.view(shown, -1, log_prob.size(1))
    own = torch.stack([by_slot[slot, :, slot] for slot in range(shown)])
    return own.double().exp()


def _alternatives(chosen: Tensor, candidates: int, shown: int) -> Tensor:
    """[shown * M, N]: the slate up to a slot, each candidate at the slot, nothing behind it."""
    slates = torch.full((shown, candidates, len(chosen)), -1)
    for slot in range(shown):
        slates[slot, :, :slot] = chosen[:slot]
        slates[slot, :, slot] = torch.arange(candidates)
    return slates.flatten(0, 1)
