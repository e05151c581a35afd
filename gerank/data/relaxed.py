"""The rules that may be dropped at a slot, as bits and as the names that answers give them."""

from __future__ import annotations

RELAXED: dict[int, str] = {1: "spacing", 2: "quotas"}
"""Bit of `Slates.relaxed` -> the name a response gives it. Weakest rule first."""


def rule_names(bits: int) -> tuple[str, ...]:
    """The names of the rules whose bits are set, weakest first."""
    return tuple(name for bit, name in RELAXED.items() if bits & bit)
