"""A page taken apart: its elements, tables, text, ids, and whatever it would load."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_EMPTY = {"meta"}
_LOADING = ("src", "srcset", "data", "poster", "action", "ping", "background")


class Outline(HTMLParser):
    """What stands in a page, checked while it is read: every element is closed in its turn.

    Attributes:
        open: Elements that are not closed yet.
        count: Element -> how many there are.
        text: All text outside of the style sheet, in order.
        loads: Attributes that make a browser fetch something.
        ids: In order.
        links: Targets within the page, those of SVG among them.
        tables: Caption -> rows of cells, the head first; a caption may come again.
        labels: Text of the drawings.
    """

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.count: dict[str, int] = {}
        self.text: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.tables: list[tuple[str, list[list[str]]]] = []
        self.labels: list[str] = []
        self.styles = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.count[tag] = self.count.get(tag, 0) + 1
        for name, value in attrs:
            self._attribute(tag, name, value or "")
        if tag == "table":
            self.tables.append(("", []))
        if tag == "tr":
            self.tables[-1][1].append([])
        if tag in ("td", "th"):
            self.tables[-1][1][-1].append("")
        if tag not in _EMPTY:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _EMPTY:
            self.handle_endtag(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self.open:
            self.styles += data
            return
        self.text.append(data)
        if self.open[-1:] == ["text"] or self.open[-1:] == ["tspan"]:
            self.labels.append(data)
        if "caption" in self.open:
            title, rows = self.tables[-1]
            self.tables[-1] = (title + data, rows)
        elif "td" in self.open or "th" in self.open:
            self.tables[-1][1][-1][-1] += data

    def _attribute(self, tag: str, name: str, value: str) -> None:
        if name in _LOADING or (name == "href" and not value.startswith("#")):
            self.loads.append(f"{tag} {name}")
        if name == "href" and value.startswith("#"):
            self.links.append(value.removeprefix("#"))
        self.links += re.findall(r"url\(#([^)]+)\)", value)
        if name == "id":
            self.ids.append(value)

    def table(self, title: str) -> list[list[str]]:
        """The rows of the one table with this caption."""
        (rows,) = (rows for caption, rows in self.tables if caption == title)
        return rows


def self_contained(page: str) -> Outline:
    """The outline of a page that is whole, loads nothing and refers only to what is in it."""
    outline = Outline(page)
    assert outline.open == []
    assert outline.loads == []
    assert "http:" not in page and "https:" not in page
    assert not {"script", "link", "iframe", "img", "image", "object", "embed"} & set(outline.count)
    assert "@import" not in outline.styles and "url(" not in outline.styles
    assert len(outline.ids) == len(set(outline.ids))
    assert set(outline.links) <= set(outline.ids)
    return outline
