"""Philox4x32-10, the counter-based random generator behind every sampled choice.

Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as 1, 2, 3", SC 2011. A number is a
function of (key, counter) and nothing else, so a slate depends on its own request and seed only.
All words are int64 tensors that hold unsigned 32-bit values.
"""

from __future__ import annotations

import torch
from torch import Tensor

ROUNDS = 10
MULTIPLIERS = (0xD2511F53, 0xCD9E8D57)
KEY_INCREMENTS = (0x9E3779B9, 0xBB67AE85)
WORD = 0xFFFFFFFF

Words = tuple[Tensor, Tensor, Tensor, Tensor]


def philox4x32(counter: Words, key: tuple[Tensor, Tensor]) -> Words:
    """Four random words for each counter.

    Args:
        counter: Four words, any shapes that broadcast together.
        key: Two words, of shapes that broadcast with the counter's.

    Returns:
        Four words, each uniform in 0..2^32-1.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = key
    for _ in range(ROUNDS):
        high0, low0 = _multiply(MULTIPLIERS[0], c0)
        high1, low1 = _multiply(MULTIPLIERS[1], c2)
        c0, c1, c2, c3 = high1 ^ c1 ^ k0, low1, high0 ^ c3 ^ k1, low0
        k0, k1 = (k0 + KEY_INCREMENTS[0]) & WORD, (k1 + KEY_INCREMENTS[1]) & WORD
    return c0, c1, c2, c3


def uniforms(
    seeds: Tensor,  # [B] int64
    candidates: int,
    slot: int,
    slate: int,
) -> Tensor:
    """The uniform number of every candidate at one slot of one slate.

    Args:
        seeds: [B]. All 64 bits count.
        candidates: M.
        slot: The slot that is drawn for.
        slate: Index of the slate among the G of its request.

    Returns:
        [B, M] float64, strictly between 0 and 1: the middles of 2^24 equal steps.
    """
    assert seeds.dim() == 1 and seeds.dtype == torch.int64, (seeds.shape, seeds.dtype)
    index = torch.arange(candidates, device=seeds.device)
    zero = torch.zeros_like(index)
    counter = (index // 4, zero + slot, zero + slate, zero)
    key = (seeds[:, None] & WORD, (seeds[:, None] >> 32) & WORD)
    lanes = torch.stack(philox4x32(counter, key), dim=-1)  # [B, M, 4]
    lane = (index % 4).expand(len(seeds), candidates)[:, :, None]
    words = lanes.gather(2, lane)[:, :, 0]  # [B, M]
    return ((words >> 8).double() + 0.5) * 2.0**-24


def _multiply(factor: int, word: Tensor) -> tuple[Tensor, Tensor]:
    """High and low word of a 64-bit product, in halves so that int64 never overflows."""
    upper, lower = factor * (word >> 16), factor * (word & 0xFFFF)  # each < 2^48
    high = (upper + (lower >> 16)) >> 16
    low = ((upper << 16) + lower) & WORD
    return high, low
