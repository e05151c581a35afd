"""The best slate of small pages, found by trying all of them."""

from __future__ import annotations

from math import perm

import torch
from torch import Tensor

from gerank.data.simulator.truth import SimulatorTruth

_MOST_SLATES = 1_000_000
_PAGES_AT_ONCE = 64


def enumerate_slates(candidates: int, slots: int) -> Tensor:
    """All ordered slates without repeats, in lexicographic order.

    Args:
        candidates: M.
        slots: N <= M.

    Returns:
        [M! / (M - N)!, N] int64.

    Raises:
        ValueError: N is not in [1, M], or there are more than a million slates.
    """
    if not 1 <= slots <= candidates:
        raise ValueError(f"slots is {slots}, not in [1, {candidates}]")
    if perm(candidates, slots) > _MOST_SLATES:
        raise ValueError(
            f"{perm(candidates, slots)} slates of {slots} out of {candidates} candidates: "
            f"more than {_MOST_SLATES} are not enumerated"
        )
    slates = torch.arange(candidates)[:, None]
    for _ in range(slots - 1):
        longer = torch.arange(candidates).expand(len(slates), candidates)
        new = (longer[:, :, None] != slates[:, None, :]).all(-1)  # [P, M]
        prefix, choice = new.nonzero(as_tuple=True)
        slates = torch.cat([slates[prefix], choice[:, None]], dim=1)
    return slates


def best_slates(truth: SimulatorTruth, rows: Tensor, slots: int) -> tuple[Tensor, Tensor]:
    """The slate of most expected clicks on each page.

    Args:
        truth: Belongs to the pages.
        rows: [B] int64. Pages, as indices into `truth`.
        slots: N.

    Returns:
        Slates [B, N] int64 and their expected clicks [B] float32.

    Raises:
        ValueError: There are too many slates to try.
    """
    every = enumerate_slates(truth.attraction.shape[1], slots)
    choices, values = [], []
    for start in range(0, len(rows), _PAGES_AT_ONCE):
        some = rows[start : start + _PAGES_AT_ONCE]
        expected = truth.expected_clicks(some, every.expand(len(some), *every.shape))
        value, place = expected.max(dim=1)
        choices.append(every[place])
        values.append(value)
    return torch.cat(choices), torch.cat(values)
