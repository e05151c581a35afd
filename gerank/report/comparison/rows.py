"""Re-rankers as the rows of a figure: in one order everywhere, a name each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes

from gerank.compare.compare import Comparison
from gerank.report.names import shortened

_HEIGHT_IN, _LEAST_IN = 0.19, 0.9


def best_first(comparison: Comparison) -> list[str]:
    """The names of all re-rankers, by the measure that counts most."""
    results = comparison.results
    means = {
        name: float(np.nanmean(policy.measures[results.first_measure]))
        for name, policy in results.policies.items()
    }
    return sorted(means, key=lambda name: -means[name])


def set_rows(panel: Axes, names: Sequence[str]) -> None:
    """Makes names the rows of a panel, the first on top: row r stands at the height r."""
    panel.set_yticks(range(len(names)), [*map(shortened, names)])
    panel.set_ylim(len(names) - 0.4, -0.6)


def height_of(names: Sequence[str]) -> float:
    """The height of a panel with so many rows, in inches."""
    return _LEAST_IN + _HEIGHT_IN * len(names)
