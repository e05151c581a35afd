"""Feedback beyond clicks: what users did with the items they were shown, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FeedbackKind(StrEnum):
    """What the numbers of a kind of feedback are."""

    FLAG = "flag"
    COUNT = "count"
    AMOUNT = "amount"


@dataclass(frozen=True)
class FurtherFeedback:
    """One kind of feedback beyond clicks.

    Attributes:
        name: purchase, dwell, hide, ...
        kind: What its numbers are.
    """

    name: str
    kind: FeedbackKind

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        return {"name": self.name, "kind": str(self.kind)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FurtherFeedback:
        """The inverse of `to_json`; raises KeyError or ValueError for what is none."""
        return cls(str(document["name"]), FeedbackKind(document["kind"]))
