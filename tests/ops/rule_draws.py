"""Random rules for random requests: valid ones, but as often as not impossible to keep."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

LARGE_KEY = 2**40
"""Added to some group and dedup keys, so that 32 bits do not hold them."""


def draw_rules(
    source: Generator, mask: Tensor, asked: Tensor, slots: int, groups: int, flags: int
) -> dict[str, Tensor]:
    """Pins, dedup keys, spacing and quotas of every request; each class is missing in some.

    Args:
        source: Gives the randomness.
        mask: [B, M] bool. True where the candidate is real.
        asked: [B] int64. Slots of each request.
        slots: N.
        groups: K.
        flags: Q.
    """
    dedup_keys = _dedup_keys(source, mask)
    return {
        "dedup_keys": dedup_keys,
        "pins": _pins(source, mask, asked, slots, dedup_keys),
        "spacing": _spacing(source, (len(mask), groups), slots),
        "quotas": _quotas(source, (len(mask), flags), slots),
    }


def normal(source: Generator, shape: tuple[int, ...]) -> Tensor:
    return torch.randn(shape, generator=source)


def chance(source: Generator, shape: tuple[int, ...], probability: float) -> Tensor:
    return torch.rand(shape, generator=source) < probability


def _dedup_keys(source: Generator, mask: Tensor) -> Tensor:
    """Keys that some candidates share, negative ones too; -1 for some, or for all of a request."""
    batch, candidates = mask.shape
    keys = torch.randint(0, max(1, candidates), (batch, candidates), generator=source)
    keys += LARGE_KEY * chance(source, (batch, candidates), 0.2)
    keys = torch.where(chance(source, (batch, 1), 0.3), -2 - keys, keys)
    has_key = chance(source, (batch, candidates), 0.7) & chance(source, (batch, 1), 0.6)
    return torch.where(has_key, keys, -1)


def _pins(source: Generator, mask: Tensor, asked: Tensor, slots: int, dedup_keys: Tensor) -> Tensor:
    """No pins, a few, or all slots; valid: in the slate, each candidate and key once.

    In a third of the requests padding may be pinned too, as what stood above a page is.
    """
    pins = torch.full((len(mask), slots), -1)
    shares = (0.0, 0.0, 0.15, 0.15, 0.5, 1.0)
    for b in range(len(pins)):
        share = shares[int(torch.randint(len(shares), (), generator=source))]
        padding_too = bool(chance(source, (), 1 / 3))
        wanted = chance(source, (int(asked[b]),), share).nonzero()[:, 0].tolist()
        keys: set[int] = set()
        for m in torch.randperm(mask.shape[1], generator=source).tolist():
            key = int(dedup_keys[b, m])
            if wanted and (padding_too or bool(mask[b, m])) and key not in keys:
                pins[b, wanted.pop()] = m
                keys |= {key} - {-1}
    return pins


def _spacing(source: Generator, shape: tuple[int, int], slots: int) -> Tensor:
    """Windows from 1 slot to longer than the slate, caps from 0; half of the keys without."""
    window = torch.randint(1, slots + 3, shape, generator=source)
    cap = torch.randint(0, 4, shape, generator=source)
    cap = torch.where(chance(source, shape, 0.5), 1, cap)
    present = chance(source, shape, 0.7) & chance(source, (shape[0], 1), 0.7)
    return torch.stack([window * present, cap], dim=2)


def _quotas(source: Generator, shape: tuple[int, int], slots: int) -> Tensor:
    """Minima and maxima from 0 to more than the slots, a minimum above its maximum too."""
    least = torch.randint(0, max(2, slots // 2 + 2), shape, generator=source)
    most = torch.randint(0, slots + 2, shape, generator=source)
    has_least = chance(source, shape, 0.5) & chance(source, (shape[0], 1), 0.7)
    has_most = chance(source, shape, 0.5) & chance(source, (shape[0], 1), 0.7)
    return torch.stack([least * has_least, torch.where(has_most, most, -1)], dim=2)
