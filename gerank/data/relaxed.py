"""Rules as the bits and numbers of answers, and by name."""

from __future__ import annotations

RELAXED: dict[int, str] = {1: "spacing", 2: "quotas"}
"""Bit of `Slates.relaxed` -> the name a response gives it. Weakest rule first."""


RULES = RELAXED | {3: "pins", 4: "dedup_keys"}
"""Number of a rule in the wire's `Rule` -> its name: a slate may miss more than may be dropped."""


def rule_names(bits: int) -> tuple[str, ...]:
    """The names of the rules whose bits are set, weakest first."""
    return tuple(name for bit, name in RELAXED.items() if bits & bit)
