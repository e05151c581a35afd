"""Tables of figures: printed by commands, kept as JSON beside a run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.metrics.intervals import Interval, mean_interval, ratio_interval

_SEED = 0  # of the resampling: one table is the same each time it is printed

Cell = str | float | Interval | None
"""Text, a number, an estimate with its interval; None where there is no such figure."""


@dataclass(frozen=True)
class Table:
    """A titled table.

    Attributes:
        title: What the figures are about.
        columns: Heading per column; the first names the rows.
        rows: One entry per column.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


def to_json(tables: list[Table]) -> list[dict[str, Any]]:
    """Plain lists and dictionaries; every figure is a number, an interval has three."""
    return [
        {
            "title": table.title,
            "columns": list(table.columns),
            "rows": [[cell_to_json(cell) for cell in row] for row in table.rows],
        }
        for table in tables
    ]


def cell_to_json(cell: Cell) -> str | float | dict[str, float] | None:
    """A cell as JSON has it."""
    if isinstance(cell, Interval):
        return {"estimate": cell.estimate, "low": cell.low, "high": cell.high}
    return cell


def show_cell(cell: Cell) -> str:
    """A cell as people read it."""
    if cell is None:
        return ""
    if isinstance(cell, Interval):
        return show_interval(cell)
    return cell if isinstance(cell, str) else f"{cell:.4g}"


def show_interval(interval: Interval) -> str:
    """`1.2340 [1.2000, 1.2700]`: the estimate and its 95 % interval."""
    return f"{interval.estimate:.4f} [{interval.low:.4f}, {interval.high:.4f}]"


def mean_cell(values: NDArray[np.floating], people: NDArray[np.str_]) -> Interval | float | None:
    """The mean over pages [E] with its interval by person.

    Args:
        values: One per page; NaN where a page has none, which is left out.
        people: [E]. Whose page it is.

    Returns:
        A number alone where all pages are of one person; None where no page has a value.
    """
    kept = ~np.isnan(values)
    if not kept.any():
        return None
    if len(np.unique(people[kept])) < 2:
        return float(values[kept].mean())
    return mean_interval(values[kept], people[kept], seed=_SEED)


def ratio_cell(
    numerators: NDArray[np.floating],
    denominators: NDArray[np.floating],
    people: NDArray[np.str_],
) -> Interval | float | None:
    """Ratio of two sums over pages [E], as `mean_cell`; None where no page carries any weight."""
    total = denominators.sum()
    if not total > 0:
        return None
    try:
        return ratio_interval(numerators, denominators, people, seed=_SEED)
    except ValueError:  # one person, or so few weights that a resample has none: no interval
        return float(numerators.sum() / total)


def show_mean(values: NDArray[np.floating], people: NDArray[np.str_]) -> str:
    """`mean_cell`, as people read it."""
    return show_cell(mean_cell(values, people))
