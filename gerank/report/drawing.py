"""Figures drawn by matplotlib, as SVG that can stand inside of a page.

Text stays text: the reader's own fonts set it, it can be searched, and the page stays small.
"""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from gerank.report.inline_svg import inline_svg
from gerank.report.names import shortened
from gerank.report.page import Drawing
from gerank.report.palette import SeriesStyle

_SETTINGS: dict[Any, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "gerank",
    "text.parse_math": False,  # a name with dollars in it is no formula
    "font.family": ["sans-serif"],
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": "#e3e7ec",
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "lines.linewidth": 1.5,
    "lines.markersize": 4.5,
}
_PANEL_IN = (3.6, 2.6)
_LONGEST_TITLE = 48


def draw(
    paint: Callable[[list[Axes]], None],
    caption: str,
    *,
    panels: int = 1,
    columns: int = 3,
    panel_in: tuple[float, float] = _PANEL_IN,
) -> Drawing:
    """Draws panels side by side.

    Args:
        paint: Is given the axes of the panels and draws on them.
        caption: Goes with the drawing, and names it for those who do not see it.
        panels: How many there are.
        columns: At most so many of them stand side by side.
        panel_in: Is the width and the height of a panel, in inches.
    """
    down = -(-panels // columns)
    across = -(-panels // down)
    with _plain_style():
        figure = Figure(figsize=(across * panel_in[0], down * panel_in[1]), layout="constrained")
        axes = figure.subplots(down, across, squeeze=False).ravel().tolist()
        for unused in axes[panels:]:
            unused.remove()
        paint(axes[:panels])
        written = io.BytesIO()
        figure.savefig(written, format="svg", metadata={"Date": None})
    return Drawing(inline_svg(written.getvalue(), caption), caption)


def plot_series(
    axes: Axes,
    across: ArrayLike,
    up: ArrayLike,
    name: str,
    style: SeriesStyle,
    *,
    joined: bool = True,
    marked: bool = True,
    width: float = 1.5,
) -> None:
    """Draws points in the style of their series.

    Args:
        axes: The panel.
        across: [P]. Where the points lie on the horizontal axis.
        up: [P]. Where they lie on the vertical one.
        name: Is what the legend calls them; it may hold anything.
        style: How they look.
        joined: Whether a line goes through them.
        marked: Whether they themselves are shown.
        width: Is that of the line.
    """
    axes.plot(
        np.atleast_1d(across),
        np.atleast_1d(up),
        label=series_label(name),
        color=style.colour,
        marker=style.marker if marked else "",
        linestyle=style.dash if joined else "",
        linewidth=width,
    )


def set_labels(axes: Axes, title: str = "", x: str = "", y: str = "") -> None:
    """Titles a panel and its axes; names in them may hold anything, and have room beside it."""
    lines = (shortened(line, _LONGEST_TITLE) for line in title.split("\n"))
    axes.set_title("\n".join(lines), loc="left")
    axes.set_xlabel(shortened(x, _LONGEST_TITLE))
    axes.set_ylabel(shortened(y, _LONGEST_TITLE))


def legend_below(axes: list[Axes]) -> None:
    """One legend for all panels, which show the same series as the first of them."""
    figure = axes[0].figure
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=min(len(labels), 2 * len(axes)))


def count_across(axes: Axes) -> None:
    """Lets the horizontal axis have whole numbers alone: of slots or epochs."""
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def series_label(name: str) -> str:
    """A name as a legend shows it: short, and shown also where it begins with an underscore."""
    short = shortened(name, _LONGEST_TITLE)
    return f"\u200b{short}" if short.startswith("_") else short


@contextmanager
def _plain_style() -> Iterator[None]:
    """Settings of gerank's figures alone, whatever a user's own are."""
    with mpl.rc_context(), warnings.catch_warnings():
        mpl.rcdefaults()
        mpl.rcParams.update(_SETTINGS)
        # The reader's fonts set the text; that the one to measure by lacks a sign does not matter.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield
