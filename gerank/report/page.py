"""A page of titled sections: words, then figures, then tables.

What is written here escapes whatever comes from a log or a run, so that no name of an item, a
feature or a run can be taken for markup. A policy in the page itself forbids it to load anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import StrEnum
from html import escape
from typing import NamedTuple

from gerank.report.names import legible
from gerank.report.style import STYLE
from gerank.train.report import Table, show_cell

_FEWEST_FOR_CONTENTS = 5
"""A page of fewer sections needs no table of contents."""
_TO_THE_RIGHT = ' class="number"'
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"


class Mood(StrEnum):
    """How a paragraph is set."""

    PLAIN = "plain"
    FINE = "fine"
    WARNING = "warning"


class Paragraph(NamedTuple):
    """Some sentences.

    Attributes:
        text: The sentences.
        name: Stands before them, in bold; empty = nothing does.
        mood: How they are set.
    """

    text: str
    name: str = ""
    mood: Mood = Mood.PLAIN


class Drawing(NamedTuple):
    """A figure.

    Attributes:
        markup: SVG or HTML, in which whoever drew it has escaped all names.
        caption: What it shows, in whole sentences.
    """

    markup: str
    caption: str


class Section(NamedTuple):
    """A part of a page; what is empty is left out.

    Attributes:
        title: Its heading.
        words: Paragraphs; a plain one may be a str.
        tables: Figures in numbers, under the words and drawings.
        figures: Drawings.
    """

    title: str
    words: Sequence[str | Paragraph] = ()
    tables: Sequence[Table] = ()
    figures: Sequence[Drawing] = ()


def report_page(title: str, sections: Sequence[Section]) -> str:
    """A whole HTML document that needs no other file.

    Args:
        title: Names what the page is about.
        sections: Come in this order.
    """
    contents = _contents(sections) if len(sections) >= _FEWEST_FOR_CONTENTS else ()
    parts = [
        "<!doctype html>",
        '<html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>{_text(title)}</title><style>{STYLE}</style></head><body>",
        f"<h1>{_text(title)}</h1>",
        *contents,
        *(line for place, section in enumerate(sections) for line in _section(place, section)),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def table_markup(table: Table) -> str:
    """A table as HTML; a column without words stands to the right."""
    numeric = [
        bool(table.rows) and not any(isinstance(row[place], str) for row in table.rows)
        for place in range(len(table.columns))
    ]
    head = _row("th", table.columns, numeric)
    rows = "".join(_row("td", [*map(show_cell, row)], numeric) for row in table.rows)
    return (
        f'<div class="wide"><table><caption>{_text(table.title)}</caption>'
        f"<thead>{head}</thead><tbody>{rows}</tbody></table></div>"
    )


def _row(tag: str, cells: Sequence[str], numeric: Sequence[bool]) -> str:
    opening = 'th scope="col"' if tag == "th" else tag
    written = (
        f"<{opening}{_TO_THE_RIGHT if number else ''}>{_text(cell)}</{tag}>"
        for cell, number in zip(cells, numeric, strict=True)
    )
    return f"<tr>{''.join(written)}</tr>"


def _contents(sections: Sequence[Section]) -> Iterator[str]:
    yield '<nav aria-label="contents">'
    for place, section in enumerate(sections):
        yield f'<a href="#section-{place}">{_text(section.title)}</a>'
    yield "</nav>"


def _section(place: int, section: Section) -> Iterator[str]:
    yield f'<section id="section-{place}"><h2>{_text(section.title)}</h2>'
    for words in section.words:
        yield _paragraph(Paragraph(words) if isinstance(words, str) else words)
    for drawing in section.figures:
        caption = f"<figcaption>{_text(drawing.caption)}</figcaption>"
        yield f"<figure>{drawing.markup}{caption}</figure>"
    for table in section.tables:
        yield table_markup(table)
    yield "</section>"


def _paragraph(paragraph: Paragraph) -> str:
    named = f"<b>{_text(paragraph.name)}</b>: " if paragraph.name else ""
    kind = "" if paragraph.mood is Mood.PLAIN else f' class="{paragraph.mood}"'
    return f"<p{kind}>{named}{_text(paragraph.text)}</p>"


def _text(text: str) -> str:
    return escape(legible(text))
