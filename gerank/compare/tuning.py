"""Which settings of a comparator are tried, and which of them validation pages choose."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from gerank.baselines.registry import comparator_class
from gerank.compare.config import ComparatorConfig
from gerank.data.schema import FeatureSchema

Settings = dict[str, Any]


@dataclass(frozen=True)
class Trial:
    """Settings that were tried.

    Attributes:
        settings: The settings.
        score: What the validation pages say of them; None where nobody asked, as of a single trial.
        fit_seconds: How long the fit took; None where there was none.
        left_out: Why there is no fit; empty where there is one.
    """

    settings: Settings
    score: float | None
    fit_seconds: float | None
    left_out: str


@dataclass(frozen=True)
class Tuning:
    """All trials of a comparator.

    Attributes:
        trials: In their order.
        chosen: The place of the one that was chosen; None where none could be fitted.
    """

    trials: tuple[Trial, ...]
    chosen: int | None

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Tuning:
        """What the cell of a choice holds."""
        trials = tuple(
            Trial(trial["settings"], score, trial.get("fit_seconds"), trial.get("left_out", ""))
            for trial, score in zip(document["trials"], document["scores"], strict=True)
        )
        return cls(trials, document["chosen"])

    @property
    def tried(self) -> str:
        """How many settings were tried, and how many of them in vain."""
        in_vain = sum(bool(trial.left_out) for trial in self.trials)
        return f"{len(self.trials)}" + (f", {in_vain} left out" if in_vain else "")


@dataclass(frozen=True)
class Usable:
    """A row as some pages allow it.

    Attributes:
        row: Its grid has no value that the pages lack something for. Where nothing is left of it,
            or what is set is such a value, a single trial says so.
        lacking: What the pages lack, for every value that the grid does not have any more.
    """

    row: ComparatorConfig
    lacking: tuple[str, ...] = ()


def trials(name: str, row: ComparatorConfig, budget: int, seed: int) -> list[Settings]:
    """The settings that a comparator is tried with, `budget` at most.

    The first has the first value of every setting. Where the grid has more than the budget, the
    others are drawn from it, none twice. Settings that exclude each other are not among them,
    unless there are no others.

    Args:
        name: What the comparator is called in the tables.
        row: What it is.
        budget: How many, >= 1.
        seed: Seeds the draw.
    """
    grid = grid_of(name, row)
    total = math.prod(map(len, grid.values()))
    rng = np.random.default_rng(seed)
    places = list(range(min(total, budget)))
    if total > budget:
        drawn = rng.choice(total - 1, budget - 1, replace=False) + 1
        places = [0, *sorted(drawn.tolist())]
    kind = comparator_class(row.comparator or name)
    fixed = first_values(name, row) | row.settings
    kept = [place for place in places if not kind.conflict(fixed | _setting(grid, place))]
    if len(kept) < len(places) and total > budget:
        for place in rng.permutation(total).tolist():
            if len(kept) == budget:
                break
            if place not in places and not kind.conflict(fixed | _setting(grid, place)):
                kept.append(place)
    return [row.settings | _setting(grid, place) for place in sorted(kept) or [0]]


def grid_of(name: str, row: ComparatorConfig) -> Mapping[str, Sequence[Any]]:
    """The grid of a row: its own, or that of its comparator but for what is set."""
    kind = comparator_class(row.comparator or name)
    return row.grid or {
        setting: values for setting, values in kind.grid.items() if setting not in row.settings
    }


def usable(name: str, row: ComparatorConfig, schema: FeatureSchema, score: str | None) -> Usable:
    """What some pages allow of a row.

    Args:
        name: What the comparator is called in the tables.
        row: What it is.
        schema: Which features the pages have.
        score: The feature that pages were sorted by, where there is one.
    """
    kind, grid = comparator_class(row.comparator or name), grid_of(name, row)
    reasons: dict[str, None] = {}
    kept: dict[str, list[Any]] = {}
    for setting, values in grid.items():
        told = [kind.lacks(setting, value, schema, score) for value in values]
        kept[setting] = [v for v, lacking in zip(values, told, strict=True) if not lacking]
        reasons |= dict.fromkeys(filter(None, told))
    fixed = first_values(name, row) | row.settings
    is_unfit = not all(kept.values()) or any(
        kind.lacks(setting, value, schema, score)
        for setting, value in fixed.items()
        if setting not in grid
    )
    if is_unfit:
        return Usable(dataclasses.replace(row, grid={s: list(v[:1]) for s, v in grid.items()}))
    if not reasons:
        return Usable(row)
    return Usable(dataclasses.replace(row, grid=kept), tuple(reasons))


def first_values(name: str, row: ComparatorConfig) -> Settings:
    """The first value of every setting of a row's comparator.

    Args:
        name: What the comparator is called in the tables.
        row: What it is.
    """
    grid = comparator_class(row.comparator or name).grid
    return {setting: values[0] for setting, values in grid.items()}


def best_trial(scores: Sequence[float | None]) -> int | None:
    """The trial of the highest score, the first of equals; None where no trial has one."""
    known = [(score, -place) for place, score in enumerate(scores) if score is not None]
    return -max(known)[1] if known else None


def _setting(grid: Mapping[str, Sequence[Any]], place: int) -> Settings:
    """The `place`-th of the grid's product; the last setting changes fastest."""
    found: Settings = {}
    for setting in reversed(list(grid)):
        place, at = divmod(place, len(grid[setting]))
        found[setting] = grid[setting][at]
    return {setting: found[setting] for setting in grid}
