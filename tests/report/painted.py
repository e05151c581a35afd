"""What is drawn, as numbers: the axes of a section's figures before they become SVG."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from gerank.report import Drawing

Paint = Callable[[list[Axes]], None]


def painted_by(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> list[list[Axes]]:
    """The axes of every figure that `module` draws from now on, one list a figure."""
    figures: list[list[Axes]] = []

    def draw(paint: Paint, caption: str, *, panels: int = 1, **_: object) -> Drawing:
        axes = [*Figure(layout="constrained").subplots(panels, 1, squeeze=False).ravel()]
        paint(axes)
        figures.append(axes)
        return Drawing("", caption)

    monkeypatch.setattr(module, "draw", draw)
    return figures


def points(axes: Axes, label: str) -> np.ndarray:
    """[P, 2] of the one line with a label."""
    (line,) = (line for line in axes.get_lines() if line.get_label() == label)
    return np.stack([np.asarray(line.get_xdata(), float), np.asarray(line.get_ydata(), float)], 1)
