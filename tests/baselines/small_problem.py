"""A log whose clicks follow the quality of an item alone, so that the best page is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.comparator import Comparator, Pages
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

SLOTS = 3
FAST: dict[str, Any] = {"width": 16, "embedding_width": 2, "learning_rate": 1e-2}
SCHEMA = FeatureSchema(
    user=(Feature("mood", FeatureKind.DENSE),),
    candidate=(
        Feature("quality", FeatureKind.DENSE),
        Feature("score", FeatureKind.DENSE),
        Feature("group", FeatureKind.ID, vocabulary=4),
        Feature("fresh", FeatureKind.ID, vocabulary=2),
    ),
    groups=("group",),
    flags=("fresh",),
)


def quality_log(seed: int, pages: int = 500, candidates: tuple[int, int] = (5, 8)) -> ExposureLog:
    """Pages in random order; a click has the probability sigma(4 quality - 3) at any slot.

    The upstream score is the quality with as much noise.
    """
    rng = np.random.default_rng(seed)
    sizes = rng.integers(candidates[0], candidates[1] + 1, pages)
    items, shown = int(sizes.sum()), np.minimum(sizes, SLOTS)
    slates = [rng.permutation(m)[:n] for m, n in zip(sizes, shown, strict=True)]
    offsets = np.concatenate([[0], sizes.cumsum()]).astype(np.int64)
    quality = rng.standard_normal(items).astype(np.float32)
    standing = quality[np.repeat(offsets[:-1], shown) + np.concatenate(slates)]
    clicks = rng.random(len(standing)) < 1 / (1 + np.exp(3 - 4 * standing))
    return ExposureLog(
        schema=SCHEMA,
        page_ids=np.array([f"page-{page}" for page in range(pages)]),
        person_ids=np.array([f"person-{page % 50}" for page in range(pages)]),
        timestamps=np.arange(pages, dtype=np.int64),
        candidate_offsets=offsets,
        slate_offsets=np.concatenate([[0], shown.cumsum()]).astype(np.int64),
        user={"mood": rng.standard_normal(pages).astype(np.float32)},
        candidate={
            "quality": quality,
            "score": quality + rng.standard_normal(items).astype(np.float32),
            "group": rng.integers(4, size=items),
            "fresh": rng.integers(2, size=items),
        },
        candidate_names=np.concatenate(
            [[f"item-{item}" for item in rng.permutation(100)[:m]] for m in sizes]
        ),
        slates=np.concatenate(slates).astype(np.int64),
        clicks=clicks.astype(np.float32),
        log_propensity=np.full(len(standing), np.nan, np.float32),
        placement_propensity=np.full(len(standing), np.nan, np.float32),
    )


def pages_of(log: ExposureLog, slots: int = SLOTS) -> Pages:
    """Three quarters teach."""
    cut = len(log) * 3 // 4
    return Pages(log, np.arange(cut), np.arange(cut, len(log)), slots, "score")


def settings_of(kind: type[Comparator], **changes: Any) -> dict[str, Any]:
    """The settings of `FAST` and `changes` that the comparator has."""
    return {name: value for name, value in (FAST | changes).items() if name in kind.grid}


def any_click(quality: NDArray[np.float32]) -> float:
    """The probability of a click anywhere on a page of items of such quality."""
    return float(1 - (1 / (1 + np.exp(4 * quality - 3))).prod())


def share_of_gap(
    log: ExposureLog,
    rows: NDArray[np.int64],
    slates: Tensor,
    worth: Callable[[NDArray[np.float32]], float] = np.sum,
) -> float:
    """How much of the worth between the logged pages and the best ones slates [R, N] have.

    `worth` is of the quality of what a page shows; the best page has the items of most quality.
    """
    found, logged, best = 0.0, 0.0, 0.0
    for row, slate in zip(rows.tolist(), slates.tolist(), strict=True):
        first, after = log.candidate_offsets[row : row + 2]
        quality = log.candidate["quality"][first:after]
        shown = log.slates[slice(*log.slate_offsets[row : row + 2])]
        found += worth(quality[[place for place in slate if place >= 0]])
        logged += worth(quality[shown])
        best += worth(np.sort(quality)[::-1][: len(shown)])
    return (found - logged) / (best - logged)


def replaced_places(log: ExposureLog, seed: int) -> ExposureLog:
    """The same pages, their candidates at other places."""
    rng = np.random.default_rng(seed)
    order, place = [], np.empty(len(log.candidate_names), np.int64)
    for first, after in zip(log.candidate_offsets[:-1], log.candidate_offsets[1:], strict=True):
        drawn = rng.permutation(after - first)
        order.append(first + drawn)
        place[first + drawn] = np.arange(after - first)
    moved = np.concatenate(order)
    page = np.repeat(np.arange(len(log)), np.diff(log.slate_offsets))
    return replace(
        log,
        candidate={name: values[moved] for name, values in log.candidate.items()},
        candidate_names=np.asarray(log.candidate_names)[moved],
        slates=place[log.candidate_offsets[page] + log.slates],
    )


def names_of(log: ExposureLog, slates: Tensor) -> list[list[str]]:
    """The names of what slates [E, N] show."""
    return [
        [str(log.candidate_names[first + place]) for place in slate if place >= 0]
        for first, slate in zip(log.candidate_offsets[:-1], slates.tolist(), strict=True)
    ]


def seeded(seed: int) -> torch.Generator:
    """A source of random tensors."""
    return torch.Generator().manual_seed(seed)
