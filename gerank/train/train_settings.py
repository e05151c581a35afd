"""How a run computes, beside what it learns."""

from __future__ import annotations

from dataclasses import dataclass

from gerank.train.setting_rules import at_least_one


@dataclass(frozen=True)
class TrainSettings:
    """How the training computes.

    Attributes:
        accumulate: In how many parts a process works through its pages of a step: the same
            gradients for less memory.
    """

    accumulate: int = 1

    def __post_init__(self) -> None:
        at_least_one(self, "accumulate")
