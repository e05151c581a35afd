"""Counts of pages, people, slots, candidates and duplicates."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog


@dataclass(frozen=True)
class Spread:
    """How a count is spread over pages or people."""

    least: int
    median: float
    mean: float
    most: int

    @classmethod
    def of(cls, counts: NDArray[np.int64]) -> Spread:
        """The spread of [E] counts, at least one."""
        return cls(
            int(counts.min()), float(np.median(counts)), float(counts.mean()), int(counts.max())
        )


@dataclass(frozen=True)
class PageFigures:
    """What the pages of a log are.

    Attributes:
        pages, people, items: How many.
        pages_per_person, slots, candidates: How they are spread.
        first, last: The earliest and latest time: ISO 8601 where the log's unit is known, else the
            number itself.
        span_hours: Between them; None where the unit is unknown.
        single_candidate: Share of pages with one candidate.
        all_shown: Share of pages that show all of their candidates.
        repeated_pages: Pages of a person who was shown the same slate of the same candidates before
            at the same time.
    """

    pages: int
    people: int
    items: int
    pages_per_person: Spread
    slots: Spread
    candidates: Spread
    first: str | int
    last: str | int
    span_hours: float | None
    single_candidate: float
    all_shown: float
    repeated_pages: int


def page_figures(log: ExposureLog, time_unit: str | None) -> PageFigures:
    """Measures a log of one page or more.

    Args:
        log: The log.
        time_unit: `us` where the file says so; None = unknown.
    """
    slots, candidates = np.diff(log.slate_offsets), np.diff(log.candidate_offsets)
    first, last = int(log.timestamps.min()), int(log.timestamps.max())
    known = time_unit == "us"
    items = np.unique(log.candidate_names, return_inverse=True)[1].astype(np.int64)
    return PageFigures(
        pages=len(log),
        people=len(np.unique(log.person_ids)),
        items=int(items.max()) + 1,
        pages_per_person=Spread.of(np.unique(log.person_ids, return_counts=True)[1]),
        slots=Spread.of(slots),
        candidates=Spread.of(candidates),
        first=_moment(first) if known else first,
        last=_moment(last) if known else last,
        span_hours=(last - first) / 3.6e9 if known else None,
        single_candidate=float((candidates == 1).mean()),
        all_shown=float((candidates == slots).mean()),
        repeated_pages=_repeated_pages(log, items),
    )


def _moment(microseconds: int) -> str:
    return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")


def _repeated_pages(log: ExposureLog, items: NDArray[np.int64]) -> int:
    seen: set[tuple[str, int, bytes, bytes]] = set()
    for row in range(len(log)):
        shown = log.slates[log.slate_offsets[row] : log.slate_offsets[row + 1]]
        held = items[log.candidate_offsets[row] : log.candidate_offsets[row + 1]]
        slate = held[shown].tobytes(), np.sort(held).tobytes()
        seen.add((str(log.person_ids[row]), int(log.timestamps[row]), *slate))
    return len(log) - len(seen)
