"""A page of sections: escaped, self-contained, and the same numbers as the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gerank.metrics.intervals import Interval
from gerank.report import Drawing, Mood, Paragraph, Section, report_page
from gerank.train.report import Table, show_cell
from tests.report.outline import self_contained

HOSTILE = "<script src='x'>&\"</td></table>"
CELLS = ("name", 1.5, Interval(0.25, 0.125, 0.5, 0.1), None)
TABLE = Table("Figures", ("who", "mean", "gain", "nothing"), (CELLS, ("other", 2.0, 3.0, None)))


def test_every_part_of_a_section_is_on_the_page_in_its_order() -> None:
    drawn = Drawing("<svg></svg>", "The caption.")
    words = ("Plain words.", Paragraph("It may be wrong.", "doubt", Mood.WARNING))
    page = report_page("The title", [Section("First", words, [TABLE], [drawn])])
    outline = self_contained(page)
    text = "".join(outline.text)
    parts = ["The title", "First", "Plain words.", "doubt: It may", "The caption.", "Figures"]
    places = [text.rindex(part) for part in parts]
    assert places == sorted(places)
    assert '<p class="warning">' in page
    assert outline.count["figure"] == outline.count["svg"] == 1


def test_cells_are_shown_as_in_the_terminal() -> None:
    rows = self_contained(report_page("t", [Section("s", tables=[TABLE])])).table("Figures")
    assert rows[0] == list(TABLE.columns)
    assert rows[1:] == [[show_cell(cell) for cell in row] for row in TABLE.rows]


def test_columns_of_numbers_stand_to_the_right_and_those_of_words_to_the_left() -> None:
    page = report_page("t", [Section("s", tables=[TABLE])])
    assert '<th scope="col">who</th><th scope="col" class="number">mean</th>' in page
    assert '<td>name</td><td class="number">1.5</td>' in page


def test_nothing_that_is_named_is_markup() -> None:
    table = Table(HOSTILE, (HOSTILE,), ((HOSTILE,),))
    words = (HOSTILE, Paragraph(HOSTILE, HOSTILE, Mood.FINE))
    section = Section(HOSTILE, words, [table], [Drawing("<svg></svg>", HOSTILE)])
    outline = self_contained(report_page(HOSTILE, [section] * 6))
    # The page has two titles; each section has a link, a title, three words, the caption of its
    # drawing, and a table with a caption, a column and a cell.
    assert "".join(outline.text).count(HOSTILE) == 2 + 6 * 9
    assert [title for title, _ in outline.tables] == [HOSTILE] * 6


@pytest.mark.parametrize("sign", ["\x00", "\x1b", "\udcff", "\ud800", "\uffff"])
def test_what_is_no_text_gets_a_mark(sign: str) -> None:
    page = report_page(f"a{sign}b", [])
    assert "a\ufffdb" in page
    page.encode("utf-8")


def test_names_in_any_script_stay_as_they_are() -> None:
    name = "Mädchen 映画 👩\u200d🚀 \u0627\u0644"
    assert name in report_page(name, [])


def test_the_example_of_the_guide_writes_a_page() -> None:
    guide = (Path(__file__).parents[2] / "docs" / "trust.md").read_text(encoding="utf-8")
    (example,) = (block for block in guide.split("```python\n") if "report_page(" in block)
    found: dict[str, Any] = {}
    exec(example.partition("```")[0], found)
    assert self_contained(found["page"]).table("Clicks")[1] == ["logged", "2.73"]


def test_a_long_page_has_contents_whose_links_lead_to_its_sections() -> None:
    sections = [Section(f"part {number}") for number in range(6)]
    outline = self_contained(report_page("t", sections))
    assert outline.links == outline.ids == [f"section-{number}" for number in range(6)]
    assert self_contained(report_page("t", sections[:2])).links == []
