"""Tables of figures: printed by commands, kept as JSON beside a run."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.metrics.intervals import Interval, mean_interval, ratio_interval

_SEED = 0  # of the resampling: one table is the same each time it is printed


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


def show_mean(values: NDArray[np.floating], people: NDArray[np.str_]) -> str:
    """The mean over pages [E] with its interval by person; without one for a single person."""
    if len(np.unique(people)) < 2:
        return f"{values.mean():.4f}"
    return show_interval(mean_interval(values, people, seed=_SEED))


def show_ratio(
    numerators: NDArray[np.floating],
    denominators: NDArray[np.floating],
    people: NDArray[np.str_],
) -> str | None:
    """Ratio of two sums over pages [E], as `show_mean`; None where no page carries any weight."""
    total = denominators.sum()
    if not total > 0:
        return None
    try:
        return show_interval(ratio_interval(numerators, denominators, people, seed=_SEED))
    except ValueError:  # one person, or so few weights that a resample has none: no interval
        return f"{numerators.sum() / total:.4f}"
