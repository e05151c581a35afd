"""Times several ways to do one thing, in turns, so that a busy moment hits all alike."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

Work = Callable[[], object]
Clock = Callable[[], float]
"""Tells seconds."""


def interleaved_medians(
    works: Mapping[str, Work], seconds: float, clock: Clock = time.perf_counter
) -> dict[str, float]:
    """Median microseconds of one call of each, over rounds that together take `seconds`.

    Each turn begins with a call that is not timed: it finds the caches as the other ways left them.
    """
    repeats = {name: _repeats(work) for name, work in works.items()}
    taken: dict[str, list[float]] = {name: [] for name in works}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or len(next(iter(taken.values()))) < 5:
        for name, work in works.items():
            work()
            start = clock()
            for _ in range(repeats[name]):
                work()
            taken[name].append((clock() - start) / repeats[name])
    return {name: 1e6 * statistics.median(times) for name, times in taken.items()}


def _repeats(work: Work) -> int:
    """As many as make a clock reading negligible: two milliseconds' worth."""
    work()
    start = time.perf_counter()
    work()
    return max(1, int(2e-3 / (time.perf_counter() - start)))
