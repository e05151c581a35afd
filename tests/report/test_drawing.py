"""Drawings stand side by side in a page, whatever they are of and whatever the user has set."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest

pytest.importorskip("matplotlib", reason="the extra `report` is not installed")

import matplotlib as mpl
from matplotlib.axes import Axes

from gerank.report import Drawing, Section, report_page
from gerank.report.drawing import draw, legend_below, series_label, set_labels
from gerank.report.palette import STYLES, styles_of
from tests.report.outline import Outline, self_contained


def drawn(name: str = "series", panels: int = 2) -> Drawing:
    """Lines with markers under clip paths: all that needs ids in SVG."""

    def paint(axes: list[Axes]) -> None:
        for panel in axes:
            panel.plot([0, 1, 2], [0, 1, 0], marker="o", label=series_label(name))
            panel.bar([0, 1], [1, 2], hatch="//")
            set_labels(panel, name, "across", "up")
        legend_below(axes)

    return draw(paint, f"The caption of {name}.", panels=panels)


def page_of(*drawings: Drawing) -> Outline:
    return self_contained(report_page("t", [Section("s", figures=drawings)]))


def test_drawings_share_no_id_and_find_their_own_parts() -> None:
    outline = page_of(drawn("one"), drawn("two"))
    assert outline.ids and outline.links
    assert outline.count["svg"] == 2


def test_text_stays_text_and_the_caption_is_read_to_who_does_not_see() -> None:
    drawing = drawn("fun & <games>")
    assert "fun & <games>" in page_of(drawing).labels
    assert 'role="img"' in drawing.markup
    assert 'aria-label="The caption of fun &amp; &lt;games&gt;."' in drawing.markup


@pytest.mark.parametrize("name", ["$x_1$", "cost in $", "_hidden", "\x00\udcff", "映画", "a" * 200])
def test_any_name_can_be_drawn(name: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        labels = page_of(drawn(name)).labels
    assert labels.count(series_label(name)) >= 1
    assert len(series_label(name)) <= 49


def test_the_same_figures_give_the_same_page() -> None:
    assert drawn() == drawn()


def test_settings_of_the_user_change_nothing_and_are_kept() -> None:
    before = drawn()
    own = {"svg.fonttype": "path", "font.size": 30.0, "axes.facecolor": "black"}
    with mpl.rc_context(own):
        assert drawn() == before
        assert {name: mpl.rcParams[name] for name in own} == own


def test_panels_that_are_not_needed_are_not_drawn() -> None:
    titles = [label for label in page_of(drawn("five", panels=5)).labels if label == "across"]
    assert len(titles) == 5


def test_styles_differ_without_colour_and_policies_keep_theirs() -> None:
    assert len({style.marker for style in STYLES}) == len(STYLES)
    assert len({style.dash for style in STYLES}) == len(STYLES)
    first, second = styles_of(["logged", "a", "generator"]), styles_of(["b", "generator"])
    assert first["generator"] == second["generator"]
    assert len({style.colour for style in first.values()}) == 3
    many = [f"judge {number}" for number in range(20)]
    assert list(styles_of(many)) == many


# Machado, Oliveira and Fernandes, "A physiologically-based model for simulation of color vision
# deficiency", IEEE TVCG 2009, at full severity, of linear RGB.
_SEEN = {
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216],
               [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413],
               [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602],
               [0.004733, 0.691367, 0.303900]],
}  # fmt: skip


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    """CIE L*a*b* of linear RGB, D65."""
    xyz = np.array(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    ) @ np.clip(rgb, 0, 1)
    f = np.cbrt(np.maximum(xyz / np.array([0.9505, 1.0, 1.089]), 0.008856))
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def least_difference(colours: list[str], matrix: list[list[float]]) -> float:
    seen = [lab(np.array(matrix) @ linear(colour)) for colour in colours]
    return min(float(np.linalg.norm(a - b)) for a, b in itertools.combinations(seen, 2))


_LEAST = 12.0  # in L*a*b*; lines of matplotlib's own colours are as near as 5
_OF_MATPLOTLIB = [colour for _, colour in zip(STYLES, mpl.color_sequences["tab10"], strict=False)]


@pytest.mark.parametrize("kind", _SEEN)
def test_colours_are_told_apart_by_eyes_that_see_few(kind: str) -> None:
    assert least_difference([style.colour for style in STYLES], _SEEN[kind]) > _LEAST


@pytest.mark.parametrize("kind", ["protan", "deutan"])
def test_the_check_of_colours_sees_those_that_are_not(kind: str) -> None:
    usual = [mpl.colors.to_hex(colour) for colour in _OF_MATPLOTLIB]
    assert least_difference(usual, _SEEN[kind]) < _LEAST
