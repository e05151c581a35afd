"""Which records of a folder are joined."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class RecordSelection:
    """What is asked of a record; None asks nothing.

    Attributes:
        since: Earliest time, in microseconds since 1970.
        until: The time from which on records are left out.
        arm: The arm of an experiment.
        model_version: The artifact that answered.
    """

    since: int | None = None
    until: int | None = None
    arm: str | None = None
    model_version: str | None = None

    def refusal(self, record: Any) -> str:
        """Why a record is left out, in words that are counted; empty where it is joined."""
        if self.since is not None and record.time_us < self.since:
            return "before the window"
        if self.until is not None and record.time_us >= self.until:
            return "after the window"
        if self.arm is not None and record.arm != self.arm:
            return "of another arm"
        if self.model_version is not None and record.model_version != self.model_version:
            return "of another model version"
        return ""
