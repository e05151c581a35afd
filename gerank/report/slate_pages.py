"""Ten pages as slates: what was shown, what the generator would show, and how sure it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from gerank.nn.generator import Generator
from gerank.nn.step_probabilities import step_probabilities
from gerank.report.page import Drawing, Section
from gerank.report.slate_markup import (
    PageItems,
    cell_text,
    evenly_chosen,
    filled,
    moved_table,
    shown_table,
)
from gerank.train.evidence import Evidence
from gerank.train.pages import as_requests

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
        items: The page as it was logged.
        after: Candidate per slot of the generator's slate, without empty slots.
        probabilities: [N', M] of the first slots of `after`.
    """

    items: PageItems
    after: list[int]
    probabilities: NDArray[np.float64]


def slates_section(evidence: Evidence) -> Section:
    """Ten pages, or as many as there are."""
    judge = evidence.first_judge or next(iter(evidence.rewards), None)
    generator = evidence.folder.load_generator().cpu()
    gains = None if judge is None else evidence.gains(judge, "generator")
    figures = []
    for row in evenly_chosen(gains, len(evidence.log)):
        page = _page(evidence, generator, row)
        figures.append(Drawing(_markup(page), _caption(evidence, judge, page)))
    words = _WORDS if judge is not None else _WORDS.replace("the generator's gain", "their row")
    return Section("Ten pages as slates", (words,), figures=figures)


def _page(evidence: Evidence, generator: Generator, row: int) -> _SlatePage:
    log, slots = evidence.log, evidence.folder.config.data.slots
    logged, ours = (evidence.slates[name][row] for name in ("logged", "generator"))
    exposures = log.batch(np.array([row]), slots)
    batch = as_requests(exposures, evidence.asked.expand(1, -1), log.schema, slots=slots)
    count, after = int(np.diff(log.candidate_offsets)[row]), filled(ours)
    shown = max(1, min(len(after), _MOST_WORK // (count * count * slots)))
    with torch.inference_mode():
        encoded = generator.encode_batch(batch)
        chances = step_probabilities(encoded, batch, ours, count, generator.context_window, shown)
    return _SlatePage(PageItems.of(log, row, logged), after, chances.numpy())


def _caption(evidence: Evidence, judge: str | None, page: _SlatePage) -> str:
    if judge is None:
        return f"{page.items.title}."
    rewards = evidence.rewards[judge]
    before, after = (rewards[name][page.items.row] for name in ("logged", "generator"))
    return f"{page.items.title}: by {judge} {before:.4f} as logged, {after:.4f} as generated."


def _markup(page: _SlatePage) -> str:
    before = shown_table(page.items, "as logged")
    after = moved_table(page.items, "generator", page.after)
    return f'<div class="slates"><div>{before}{after}</div>{_steps(page)}</div>'


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
    return f'<tr><th scope="row">{cell_text(page.items.item(candidate))}</th>{"".join(cells)}</tr>'
