"""The page of a comparison, taken apart."""

from __future__ import annotations

from dataclasses import dataclass

from gerank.compare.compare import Comparison
from gerank.report.comparison.page import comparison_page
from tests.report.outline import Outline, self_contained


@dataclass(frozen=True)
class Page:
    """A page, checked to be whole."""

    markup: str
    outline: Outline

    @classmethod
    def of(cls, found: Comparison) -> Page:
        markup = comparison_page(found, "a comparison on a log")
        return cls(markup, self_contained(markup))

    @property
    def text(self) -> str:
        return "".join(self.outline.text)

    @property
    def sections(self) -> list[str]:
        links = self.markup[self.markup.index("<nav") : self.markup.index("</nav>")]
        return [link.text[0] for link in map(Outline, links.splitlines()[1:]) if link.text]
