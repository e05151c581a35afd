"""Tables of figures: printed by commands, kept as JSON beside a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gerank.metrics.intervals import Interval


@dataclass(frozen=True)
class Table:
    """A titled table.

    Attributes:
        title: What the figures are about.
        columns: Heading per column; the first names the rows.
        rows: Text or numbers, one entry per column; None where there is no such figure.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str | float | None, ...], ...]


def to_json(tables: list[Table]) -> list[dict[str, Any]]:
    """Plain lists and dictionaries."""
    return [asdict(table) for table in tables]


def show_interval(interval: Interval) -> str:
    """`1.2340 [1.2000, 1.2700]`: the estimate and its 95 % interval."""
    return f"{interval.estimate:.4f} [{interval.low:.4f}, {interval.high:.4f}]"
