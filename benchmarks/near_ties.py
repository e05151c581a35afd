"""Slates of two computations side by side: alike, apart at a near tie, or wrong.

Two devices round differently. Where the best two candidates of a slot are closer than that, either
choice is right, and whatever comes behind it may differ: such a slate is told apart from one whose
choice had another probability.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

TOLERANCE = 1e-4
"""A choice of another device may be less probable by this, in log_prob."""


class Difference(NamedTuple):
    """How many of the slates differ.

    Attributes:
        near_ties: First at a slot where both choices are equally probable.
        wrong: In any other way.
    """

    near_ties: int
    wrong: int


def difference(found: tuple[Tensor, Tensor], exact: tuple[Tensor, Tensor]) -> Difference:
    """Compares greedy slates [B, N] and their log_prob [B, N] with exact ones."""
    apart = found[0] != exact[0]  # [B, N]
    differs = apart.any(1)
    first = apart.int().argmax(1, keepdim=True)  # [B, 1]
    gap = (found[1].double() - exact[1].double()).abs()
    at_first = gap.gather(1, first)[:, 0]
    near = differs & (at_first <= TOLERANCE)
    alike_but_off = ~differs & ~(gap <= TOLERANCE).all(1)
    wrong = (differs & ~near) | alike_but_off
    return Difference(int(near.sum()), int(wrong.sum()))
