"""A matrix as coloured cells with numbers in them, so that no colour has to be read off."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray

_DARK = 0.5  # of the largest colour; beyond it numbers are white


def heat_map(
    panel: Axes,
    values: NDArray[np.float64],
    rows: Sequence[str],
    columns: Sequence[str],
    *,
    signed: bool = False,
) -> None:
    """Draws a matrix [R, C], its first row on top; numbers that round to nothing are left out.

    Args:
        panel: Where it is drawn.
        values: The matrix; its largest value has the strongest colour.
        rows: The names of its rows.
        columns: The names of its columns.
        signed: Whether values lie on both sides of zero, which then is white.
    """
    most = max(float(np.abs(values).max(initial=0.0)), 1e-9)
    colours, low = ("PuOr_r", -most) if signed else ("Blues", 0.0)
    panel.grid(visible=False)
    panel.pcolormesh(values, cmap=colours, vmin=low, vmax=most, edgecolor="white")
    for (row, column), value in np.ndenumerate(values):
        if abs(value) >= 1:
            colour = "white" if abs(value) > _DARK * most else "black"
            text = f"{value:+.0f}" if signed else f"{value:.0f}"
            panel.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=colour)
    panel.set_xticks(np.arange(len(columns)) + 0.5, list(columns))
    panel.set_yticks(np.arange(len(rows)) + 0.5, list(rows))
    panel.invert_yaxis()
