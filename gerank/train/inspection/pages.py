"""Counts of pages, people, slots, candidates and duplicates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.train.inspection.item_slots import name_hashes


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
    items, repeated = _items_and_repeated_pages(log)
    of_person = np.unique(log.person_ids, return_counts=True)[1]
    return PageFigures(
        pages=len(log),
        people=len(of_person),
        items=items,
        pages_per_person=Spread.of(of_person),
        slots=Spread.of(slots),
        candidates=Spread.of(candidates),
        first=_moment(first) if known else first,
        last=_moment(last) if known else last,
        span_hours=(last - first) / 3.6e9 if known else None,
        single_candidate=float((candidates == 1).mean()),
        all_shown=float((candidates == slots).mean()),
        repeated_pages=repeated,
    )


def _moment(microseconds: int) -> str:
    try:
        return datetime.fromtimestamp(microseconds / 1e6, UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return f"{microseconds} microseconds since 1970"  # beyond the calendar


def _items_and_repeated_pages(log: ExposureLog) -> tuple[int, int]:
    """How many items there are, and how many pages were there before; by hashes, part by part."""
    items = np.empty(0, np.int64)
    pages: list[NDArray[np.int64]] = []
    for part in log.windows():
        names = name_hashes(part.candidate_names)
        items = np.union1d(items, names)
        pages.append(np.fromiter(_page_hashes(part, names), np.int64, len(part)))
    return len(items), len(log) - len(np.unique(np.concatenate(pages)))


def _page_hashes(log: ExposureLog, names: NDArray[np.int64]) -> Iterator[int]:
    """64 bits of every page: its person, time, slate and set of candidates."""
    for row in range(len(log)):
        shown = log.slates[log.slate_offsets[row] : log.slate_offsets[row + 1]]
        held = names[log.candidate_offsets[row] : log.candidate_offsets[row + 1]]
        slate = held[shown].tobytes(), np.sort(held).tobytes()
        yield hash((str(log.person_ids[row]), int(log.timestamps[row]), *slate))
