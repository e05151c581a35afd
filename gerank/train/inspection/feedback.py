"""Feedback of every kind, slot by slot."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.feedback_kind import FeedbackKind


@dataclass(frozen=True)
class SlotFeedback:
    """A kind of feedback at one slot, 0-based: over `known` slots, its mean (None: no value)."""

    slot: int
    known: int
    mean: float | None


@dataclass(frozen=True)
class FeedbackFigures:
    """One kind of feedback.

    Attributes:
        kind: click, purchase, dwell, ...
        values: flag, count or amount.
        known: Slots with a value.
        unknown: Slots without.
        positive: Slots with a value above 0.
        mean: Averages the values; None = there is none.
        by_slot: The same, slot by slot.
    """

    kind: str
    values: str
    known: int
    unknown: int
    positive: int
    mean: float | None
    by_slot: tuple[SlotFeedback, ...]


def feedback_figures(log: ExposureLog) -> tuple[FeedbackFigures, ...]:
    """Measures clicks and all further feedback of a log."""
    slot = slot_numbers(log)
    return (
        _figures("click", FeedbackKind.FLAG, log.clicks, slot),
        *(_figures(f.name, f.kind, log.feedback[f.name], slot) for f in log.schema.feedback),
    )


def slot_numbers(log: ExposureLog) -> NDArray[np.int64]:
    """[sum N] the slot of every shown item, from 0."""
    lengths = np.diff(log.slate_offsets)
    numbers: NDArray[np.int64] = np.arange(len(log.slates)) - np.repeat(
        log.slate_offsets[:-1], lengths
    )
    return numbers


def _figures(
    kind: str, numbers: FeedbackKind, values: NDArray[np.float32], slot: NDArray[np.int64]
) -> FeedbackFigures:
    known = ~np.isnan(values)
    of_slot = np.bincount(slot[known], minlength=int(slot.max()) + 1)
    sums = np.bincount(slot[known], weights=values[known], minlength=len(of_slot))
    return FeedbackFigures(
        kind,
        str(numbers),
        int(known.sum()),
        int((~known).sum()),
        int((values[known] > 0).sum()),
        float(values[known].mean()) if known.any() else None,
        tuple(
            SlotFeedback(place, int(count), float(total / count) if count else None)
            for place, (count, total) in enumerate(zip(of_slot, sums, strict=True))
        ),
    )
