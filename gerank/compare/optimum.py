"""The best slates that can be found: how far from it each re-ranker stays.

Where pages are small every slate is tried. Where they are not, a search starts from the best slate
that anybody proposed and changes it while that helps: two slots change places, an item moves to
another slot, an item that was left out comes in. What it ends at may not be the best of all, but is
never worse than what any of the compared re-rankers chose.

By the truth of a simulator this is the distance to what is possible. By a judge it is the distance
to what the judge imagines: a re-ranker that comes near it may be exploiting the judge's errors.
"""

from __future__ import annotations

from collections.abc import Callable
from math import perm

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.pinned_above import shown_above
from gerank.data.simulator import enumerate_slates

SlateValue = Callable[[NDArray[np.int64], Tensor], Tensor]
"""Pages [B] of the log and slates [B, G, N] -> their values [B, G]."""

MOST_ENUMERATED = 5040
"""Slates of a page that are all tried."""

_MOST_ROUNDS = 64
_SLATES_AT_ONCE = 1 << 14
_LEAST_GAIN = 1e-6


def best_known(
    value: SlateValue, log: ExposureLog, rows: NDArray[np.int64], slates: Tensor
) -> tuple[Tensor, bool]:
    """The values of the best slates of the pages `rows`.

    Args:
        value: What is to be largest.
        log: The pages.
        rows: [B]. Which of them.
        slates: [C, B, N] int64. What C re-rankers chose on them; -1 behind the end, and equally
            long on a page.

    Returns:
        [B] values, and whether every slate was tried.
    """
    starts = torch.stack([_in_parts(value, rows, each.unsqueeze(1)) for each in slates])
    best = starts.amax(0).squeeze(1)
    if _is_small(log, rows, slates):
        every = enumerate_slates(int(np.diff(log.candidate_offsets)[rows[0]]), slates.size(2))
        tried = _in_parts(value, rows, every.expand(len(rows), *every.shape))
        return torch.maximum(best, tried.amax(1)), True
    chosen = slates.gather(0, starts.squeeze(2).argmax(0).view(1, -1, 1).expand_as(slates[:1]))
    return local_search(value, log, rows, chosen[0]), False


def local_search(
    value: SlateValue, log: ExposureLog, rows: NDArray[np.int64], slates: Tensor
) -> Tensor:
    """[B] values of slates [B, N] after every change of one step that helps most.

    The arguments are as in `best_known`. An item that stands above a page does not come in.
    """
    batch = log.batch(rows)
    free = batch.candidate_mask & ~shown_above(batch)
    slates = slates.clone()
    values = _in_parts(value, rows, slates.unsqueeze(1)).squeeze(1)
    open_pages = torch.arange(len(rows))
    for _ in range(_MOST_ROUNDS):
        if not len(open_pages):
            break
        step = max(1, _SLATES_AT_ONCE // _changes_of(slates.size(1), free.size(1)))
        improved = [
            _improve(value, rows, free, slates, values, open_pages[first : first + step])
            for first in range(0, len(open_pages), step)
        ]
        open_pages = torch.cat(improved)
    return values


def neighbours(slates: Tensor, free: Tensor) -> tuple[Tensor, Tensor]:
    """All slates that are one change away.

    Args:
        slates: [B, N] int64; -1 behind the end.
        free: [B, M] bool. Candidates that may stand on the page.

    Returns:
        [B, G, N] slates, and [B, G] bool, whether each is a slate: of the same length, with no item
        twice.
    """
    size, candidates = slates.size(1), free.size(1)
    orders = _swaps_and_moves(size)  # [G1, N]
    moved = slates[:, orders]  # [B, G1, N]
    filled = slates >= 0
    kept = (moved >= 0) == filled.unsqueeze(1)
    slot = torch.arange(size).repeat_interleave(candidates)
    item = torch.arange(candidates).repeat(size)
    replaced = slates.unsqueeze(1).repeat(1, size * candidates, 1)
    replaced[:, torch.arange(len(slot)), slot] = item
    taken = (slates.unsqueeze(2) == torch.arange(candidates)).any(1)  # [B, M]
    usable = (free & ~taken)[:, item] & filled[:, slot]
    return torch.cat([moved, replaced], dim=1), torch.cat([kept.all(-1), usable], dim=1)


def _improve(
    value: SlateValue,
    rows: NDArray[np.int64],
    free: Tensor,
    slates: Tensor,
    values: Tensor,
    places: Tensor,
) -> Tensor:
    """Changes the pages `places` to their best neighbours; returns those that were bettered."""
    around, is_slate = neighbours(slates[places], free[places])
    around = torch.where(is_slate.unsqueeze(-1), around, slates[places].unsqueeze(1))
    told = _in_parts(value, rows[places.numpy()], around)
    best, which = told.max(1)
    better = best > values[places] + _LEAST_GAIN
    won = places[better]
    slates[won] = around[torch.arange(len(places)), which][better]
    values[won] = best[better]
    return won


def _swaps_and_moves(size: int) -> Tensor:
    """[G, N] orders of N slots in which two change places or one moves to elsewhere."""
    orders = set()
    for first in range(size):
        for second in range(size):
            if first == second:
                continue
            swapped = list(range(size))
            swapped[first], swapped[second] = swapped[second], swapped[first]
            moved = list(range(size))
            moved.insert(second, moved.pop(first))
            orders |= {tuple(swapped), tuple(moved)}
    return torch.tensor(sorted(orders) or [tuple(range(size))])


def _changes_of(size: int, candidates: int) -> int:
    return len(_swaps_and_moves(size)) + size * candidates


def _is_small(log: ExposureLog, rows: NDArray[np.int64], slates: Tensor) -> bool:
    """Whether the pages have equally many candidates, full slates and nothing above them."""
    lengths = np.diff(log.candidate_offsets)[rows]
    alike = bool((lengths == lengths[0]).all() and (slates >= 0).all())
    above = log.slots_above(rows).above_mask.any()
    return alike and not above and perm(int(lengths[0]), slates.size(2)) <= MOST_ENUMERATED


def _in_parts(value: SlateValue, rows: NDArray[np.int64], slates: Tensor) -> Tensor:
    """[B, G] values of slates [B, G, N], of so many at a time that memory is bounded."""
    step = max(1, _SLATES_AT_ONCE // slates.size(1))
    parts = [
        value(rows[first : first + step], slates[first : first + step])
        for first in range(0, len(rows), step)
    ]
    return torch.cat(parts).double()
