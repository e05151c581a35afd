"""Ten pages as slates: what was shown, what the generator would show, and how sure it was."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

import numpy as np
import torch
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.nn.generator import Generator
from gerank.nn.step_probabilities import step_probabilities
from gerank.report.names import legible, shortened
from gerank.report.page import Drawing, Section
from gerank.train.evidence import Evidence
from gerank.train.pages import as_requests

_PAGES = 10
_MOST_ROWS = 24
_MOST_WORK = 20_000_000  # candidates scored for one page; some tenths of a second on one core
_WORDS = (
    "They are not chosen for their looks: all pages are ordered by the generator's gain, and ten "
    "at even distances are shown, from the largest gain to the largest loss. First stands what "
    "was shown, with its clicks; then what the generator chose greedily, and where that stood "
    "before; then, slot by slot, with what probability in % it would have drawn each candidate "
    "given the slots above. A framed number is the choice."
)


@dataclass(frozen=True)
class _SlatePage:
    """One page.

    Attributes:
        row: Its place in the log.
        log: The log.
        before, after: Candidate per slot, without empty slots.
        clicked: Whether each slot of `before` was clicked.
        probabilities: [N', M] of the first slots of `after`.
    """

    row: int
    log: ExposureLog
    before: list[int]
    after: list[int]
    clicked: list[bool]
    probabilities: NDArray[np.float64]

    @property
    def first(self) -> int:
        """Where the page's candidates begin."""
        return int(self.log.candidate_offsets[self.row])

    def item(self, candidate: int) -> str:
        """The name of a candidate."""
        return str(self.log.candidate_names[self.first + candidate])


def slates_section(evidence: Evidence) -> Section:
    """Ten pages, or as many as there are."""
    judge = evidence.first_judge or next(iter(evidence.rewards), None)
    generator = evidence.folder.load_generator().cpu()
    figures = []
    for row in _chosen_rows(evidence, judge).tolist():
        page = _page(evidence, generator, row)
        figures.append(Drawing(_markup(page), _caption(evidence, judge, page)))
    words = _WORDS if judge is not None else _WORDS.replace("the generator's gain", "their row")
    return Section("Ten pages as slates", (words,), figures=figures)


def _chosen_rows(evidence: Evidence, judge: str | None) -> NDArray[np.int64]:
    pages = len(evidence.log)
    order = np.arange(pages)
    if judge is not None:
        order = np.argsort(-evidence.gains(judge, "generator"), kind="stable")
    places = np.unique(np.linspace(0, pages - 1, min(_PAGES, pages)).astype(np.int64))
    return order[places]


def _page(evidence: Evidence, generator: Generator, row: int) -> _SlatePage:
    log, slots = evidence.log, evidence.folder.config.data.slots
    logged, ours = (evidence.slates[name][row] for name in ("logged", "generator"))
    rows = np.array([row])
    exposures = log.batch(rows, slots)
    batch = as_requests(exposures, evidence.asked.expand(1, -1), log.schema, slots=slots)
    count = int(np.diff(log.candidate_offsets)[row])
    filled = int((ours >= 0).sum())
    shown = max(1, min(filled, _MOST_WORK // (count * count * slots)))
    with torch.inference_mode():
        encoded = generator.encode_batch(batch)
        chances = step_probabilities(encoded, batch, ours, count, generator.context_window, shown)
    clicks = log.shown(rows, slots).clicks[0]
    before = [place for place in logged.tolist() if place >= 0]
    after = [place for place in ours.tolist() if place >= 0]
    clicked = (clicks[: len(before)] > 0).tolist()
    return _SlatePage(row, log, before, after, clicked, chances.numpy())


def _caption(evidence: Evidence, judge: str | None, page: _SlatePage) -> str:
    named = f"Page {page.log.page_ids[page.row]} of {page.log.person_ids[page.row]}"
    if judge is None:
        return f"{named}."
    rewards = evidence.rewards[judge]
    before, after = (rewards[name][page.row] for name in ("logged", "generator"))
    return f"{named}: by {judge} {before:.4f} as logged, {after:.4f} as generated."


def _markup(page: _SlatePage) -> str:
    both = f"<div>{_before(page)}{_after(page)}</div>"
    return f'<div class="slates">{both}{_steps(page)}</div>'


def _before(page: _SlatePage) -> str:
    rows = (
        f"{_slot_start(page, slot, candidate)}<td>{'clicked' if clicked else ''}</td></tr>"
        for slot, (candidate, clicked) in enumerate(zip(page.before, page.clicked, strict=True))
    )
    return _slate("as logged", page, "click", rows)


def _after(page: _SlatePage) -> str:
    came_from = {candidate: slot for slot, candidate in enumerate(page.before)}
    moves = [_moved(slot, came_from.get(item)) for slot, item in enumerate(page.after)]
    rows = (
        f"{_slot_start(page, slot, candidate)}<td>{move}</td></tr>"
        for slot, (candidate, move) in enumerate(zip(page.after, moves, strict=True))
    )
    return _slate("generator", page, "before", rows)


def _moved(slot: int, before: int | None) -> str:
    if before is None:
        return "new"
    return "same" if before == slot else f"slot {before}"


def _slate(title: str, page: _SlatePage, last: str, rows: Iterator[str]) -> str:
    names = (*(("flags",) if page.log.schema.flags else ()), *_columns(page.log))
    head = "".join(f'<th scope="col">{_text(name)}</th>' for name in names)
    return (
        f'<table><caption>{title}</caption><thead><tr><th scope="col">slot</th>'
        f'<th scope="col">item</th>{head}<th scope="col">{last}</th></tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _columns(log: ExposureLog) -> tuple[str, ...]:
    """What people tell items by: group keys and the first score; flags share a column."""
    scores = [feature.name for feature in log.schema.candidate_scores[:1]]
    return (*log.schema.groups, *scores)


def _slot_start(page: _SlatePage, slot: int, candidate: int) -> str:
    log, place = page.log, page.first + candidate
    features = {feature.name: feature for feature in log.schema.candidate}
    flags = ", ".join(name for name in log.schema.flags if log.candidate[name][place] > 0)
    cells = [f"<td>{_text(flags)}</td>"] if log.schema.flags else []
    for name in _columns(log):
        value = features[name].decode(log.candidate[name][place])
        shown = f"{value:.4g}" if isinstance(value, float) else str(value)
        cells.append(f"<td>{_text(shown)}</td>")
    return f'<tr><th scope="row">{slot}</th><td>{_text(page.item(candidate))}</td>{"".join(cells)}'


def _steps(page: _SlatePage) -> str:
    """A row per candidate, those of the slate first, and a column per slot."""
    shown, count = page.probabilities.shape
    peaks = page.probabilities.max(0)
    peaks[page.after] = -1.0
    others = np.argsort(-peaks, kind="stable")[: count - len(page.after)].tolist()
    order = [*page.after, *others]
    head = "".join(f'<th scope="col">{slot}</th>' for slot in range(shown))
    rows = "".join(_step_row(page, candidate) for candidate in order[:_MOST_ROWS])
    left_out = []
    if count > _MOST_ROWS:
        left_out.append(f"{count - _MOST_ROWS} less probable candidates")
    if shown < len(page.after):
        left_out.append(f"the last {len(page.after) - shown} slots")
    note = f"; left out: {', '.join(left_out)}" if left_out else ""
    return (
        f'<table class="steps"><caption>probability by slot, %{note}</caption>'
        f'<thead><tr><th scope="col">item</th>{head}</tr></thead><tbody>{rows}</tbody></table>'
    )


def _step_row(page: _SlatePage, candidate: int) -> str:
    cells = []
    chosen_at = page.after.index(candidate) if candidate in page.after else -1
    for slot, chances in enumerate(page.probabilities):
        chance = float(chances[candidate])
        kind = ' class="chosen"' if slot == chosen_at else ""
        # The square root keeps small probabilities apart from none.
        style = f' style="--p:{chance**0.5:.2f}"' if chance >= 0.005 else ""
        text = f"{100 * chance:.0f}" if chance >= 0.005 else ""
        cells.append(f"<td{kind}{style}>{text}</td>")
    return f'<tr><th scope="row">{_text(page.item(candidate))}</th>{"".join(cells)}</tr>'


def _text(name: str) -> str:
    return escape(shortened(legible(name)))
