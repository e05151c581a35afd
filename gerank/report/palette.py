"""How series are told apart: by colour, and without a sense of colour by marker and dash."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

BEFORE, AFTER = "#0072b2", "#d55e00"
"""Colours of the logged pages and of what is compared with them."""
GREY = "#6b7480"
"""The colour of what is there for comparison: axes, thresholds, diagonals."""


class SeriesStyle(NamedTuple):
    """The look of one series.

    Attributes:
        colour: As matplotlib takes it.
        marker: Differs from those of the other styles.
        dash: Differs from those of the other styles.
    """

    colour: str
    marker: str
    dash: str | tuple[int, tuple[float, ...]]


STYLES = (
    SeriesStyle(BEFORE, "o", "solid"),
    SeriesStyle(AFTER, "D", (0, (5.0, 1.5))),
    SeriesStyle("#009e73", "s", (0, (1.2, 1.2))),
    SeriesStyle("#000000", "^", (0, (6.0, 1.5, 1.2, 1.5))),
    SeriesStyle("#cc79a7", "v", (0, (3.0, 3.0))),
    SeriesStyle("#e69f00", "P", (0, (8.0, 2.0, 1.2, 2.0, 1.2, 2.0))),
    SeriesStyle("#56b4e9", "X", (0, (1.2, 3.0))),
)
"""The colours are those of Okabe and Ito, "Color universal design", 2008."""

_OF_POLICIES = {"logged": 0, "generator": 1}


def styles_of(names: Iterable[str]) -> dict[str, SeriesStyle]:
    """A style for every name; the policies `logged` and `generator` look the same everywhere.

    More names than there are styles begin anew.
    """
    listed = list(names)
    taken = {_OF_POLICIES[name] for name in listed if name in _OF_POLICIES}
    free = [place for place in range(len(STYLES)) if place not in taken]
    others = [name for name in listed if name not in _OF_POLICIES]
    chosen = {name: _OF_POLICIES[name] for name in listed if name in _OF_POLICIES}
    chosen |= {name: free[number % len(free)] for number, name in enumerate(others)}
    return {name: STYLES[chosen[name]] for name in listed}
