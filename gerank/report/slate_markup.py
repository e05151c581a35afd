"""Slates as small tables: what stands at every slot, and what people tell items by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.report.names import legible, shortened

_PAGES = 10


@dataclass(frozen=True)
class PageItems:
    """The candidates of one page, and what was shown of them.

    Attributes:
        log: The log.
        row: The page's place in the log.
        shown: Candidate per slot, without empty slots.
        clicked: Whether each slot of `shown` was clicked.
    """

    log: ExposureLog
    row: int
    shown: list[int]
    clicked: list[bool]

    @classmethod
    def of(cls, log: ExposureLog, row: int, logged: Tensor) -> PageItems:
        """The page at a place in the log, its slate `logged` [N] cut to what is compared."""
        shown = filled(logged)
        clicks = log.shown(np.array([row]), len(logged)).clicks[0]
        return cls(log, row, shown, (clicks[: len(shown)] > 0).tolist())

    @property
    def title(self) -> str:
        """Names the page and its person."""
        return f"Page {self.log.page_ids[self.row]} of {self.log.person_ids[self.row]}"

    @property
    def first(self) -> int:
        """Where the page's candidates begin."""
        return int(self.log.candidate_offsets[self.row])

    def item(self, candidate: int) -> str:
        """The name of a candidate."""
        return str(self.log.candidate_names[self.first + candidate])


def filled(slate: Tensor) -> list[int]:
    """The candidates of a slate [N], without empty slots."""
    return [place for place in slate.tolist() if place >= 0]


def evenly_chosen(gains: NDArray[np.float64] | None, pages: int) -> list[int]:
    """Ten pages at even distances from the largest gain [E] to the largest loss.

    Without gains they are at even distances in the log; there may be fewer than ten.
    """
    order = np.arange(pages) if gains is None else np.argsort(-gains, kind="stable")
    places = np.unique(np.linspace(0, pages - 1, min(_PAGES, pages)).astype(np.int64))
    chosen: list[int] = order[places].tolist()
    return chosen


def shown_table(page: PageItems, title: str) -> str:
    """What was shown, with its clicks."""
    clicked = ["clicked" if clicked else "" for clicked in page.clicked]
    return slate_table(page, title, page.shown, "click", clicked)


def moved_table(page: PageItems, title: str, slate: list[int]) -> str:
    """Another slate of the page, with the slots in which its items were shown."""
    came_from = {candidate: slot for slot, candidate in enumerate(page.shown)}
    moves = [_moved(slot, came_from.get(item)) for slot, item in enumerate(slate)]
    return slate_table(page, title, slate, "before", moves)


def slate_table(
    page: PageItems, title: str, slate: list[int], last: str, told: Sequence[str]
) -> str:
    """A table with a row per slot.

    Args:
        page: The page.
        title: Names whose slate it is.
        slate: Candidate per slot.
        last: Heads the last column.
        told: What stands in it, slot by slot.
    """
    names = (*(("flags",) if page.log.schema.flags else ()), *_columns(page.log))
    head = "".join(f'<th scope="col">{cell_text(name)}</th>' for name in names)
    rows = (
        f"{_slot_start(page, slot, candidate)}<td>{cell_text(word)}</td></tr>"
        for slot, (candidate, word) in enumerate(zip(slate, told, strict=True))
    )
    return (
        f"<table><caption>{cell_text(title)}</caption>"
        f'<thead><tr><th scope="col">slot</th><th scope="col">item</th>{head}'
        f'<th scope="col">{cell_text(last)}</th></tr></thead><tbody>{"".join(rows)}</tbody></table>'
    )


def cell_text(name: str) -> str:
    """A name as a narrow cell can hold it."""
    return escape(shortened(legible(name)))


def _moved(slot: int, before: int | None) -> str:
    if before is None:
        return "new"
    return "same" if before == slot else f"slot {before}"


def _columns(log: ExposureLog) -> tuple[str, ...]:
    """What people tell items by: group keys and the first score; flags share a column."""
    scores = [feature.name for feature in log.schema.candidate_scores[:1]]
    return (*log.schema.groups, *scores)


def _slot_start(page: PageItems, slot: int, candidate: int) -> str:
    log, place = page.log, page.first + candidate
    features = {feature.name: feature for feature in log.schema.candidate}
    flags = ", ".join(name for name in log.schema.flags if log.candidate[name][place] > 0)
    cells = [f"<td>{cell_text(flags)}</td>"] if log.schema.flags else []
    for name in _columns(log):
        value = features[name].decode(log.candidate[name][place])
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        cells.append(f"<td>{cell_text(shown)}</td>")
    item = cell_text(page.item(candidate))
    return f'<tr><th scope="row">{slot}</th><td>{item}</td>{"".join(cells)}'
