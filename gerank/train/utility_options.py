"""What can be chosen of each kind of utility, as `[reward.<name>.options]` gives it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Gate(StrEnum):
    """When a page that misses its flow target pays."""

    BATCH = "batch"
    PAGE = "page"


@dataclass(frozen=True)
class NoOptions:
    """Nothing to choose."""


@dataclass(frozen=True)
class FeedbackOptions:
    """What users do.

    Attributes:
        feedback: A kind of feedback in the log, as `purchase`, or `click`.
    """

    feedback: str


@dataclass(frozen=True)
class DiversityOptions:
    """Which repetitions count.

    Attributes:
        group: Group key.
        window: How many slots back a repetition counts; 0 = to the start of the page.
    """

    group: str
    window: int = 0


@dataclass(frozen=True)
class FlowControlOptions:
    """Whose traffic, and how much.

    Attributes:
        flag: Members are the candidates with this flag; or else
        group: members are the candidates with the value `value` of this group key.
        value: See `group`.
        share_target: t_e, 0..1. A share up to it is a miss.
        position_target: t_p, a 1-based position. A mean position from it on is a miss.
        gate: `batch`: a page pays while the whole batch misses; `page`: always.
    """

    flag: str = ""
    group: str = ""
    value: str | int = ""
    share_target: float | None = None
    position_target: float | None = None
    gate: Gate = Gate.BATCH


@dataclass(frozen=True)
class GroupOrderingOptions:
    """The priority table.

    Attributes:
        group: Group key.
        priority: Value of the group key -> priority; the larger should come first.
        otherwise: Priority of the values that `priority` does not name.
    """

    group: str
    priority: dict[str, float] = field(default_factory=dict)
    otherwise: float = 0.0


@dataclass(frozen=True)
class ErrIaOptions:
    """What users may want.

    Attributes:
        group: Group key; P(g) is the share of g among the page's candidates.
    """

    group: str


@dataclass(frozen=True)
class IntraListDistanceOptions:
    """What items are compared by.

    Attributes:
        features: Dense candidate features, standardised within the candidate set; none = all.
    """

    features: tuple[str, ...] = ()
