"""A comparison cut into cells: pieces of work that each leave one file, written whole.

A comparison that is killed goes on with the cells that have no file yet, and the tables are made of
the files alone: they do not depend on how often it was killed, nor on how many processes worked.

    judges/                        evaluator and judges, a run folder
    cells/NAME/trial-0.npz         slates with the first settings, of validation and test pages
    cells/NAME/choice.npz          which trial the validation pages choose
    cells/NAME/seed-1.npz          slates of the test pages with the chosen settings
    cells/NAME/judged-1.npz        what judges, and the truth where it is known, say of them
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.baselines.registry import comparator_class, comparators
from gerank.compare.config import ComparatorConfig, CompareConfig, TunedBy
from gerank.compare.tuning import trials
from gerank.data.whole_file import whole_file

Arrays = Mapping[str, NDArray[Any]]


class CellError(ValueError):
    """A file of a cell that cannot be read, or work of a cell that failed."""


class CellKind(StrEnum):
    """What a cell does."""

    JUDGES = "judges"
    TRIAL = "trial"
    CHOICE = "choice"
    SEED = "seed"
    JUDGED = "judged"


@dataclass(frozen=True)
class Cell:
    """A piece of work.

    Attributes:
        kind: What it does.
        name: For which row of the table; empty for the judges.
        number: The trial or the seed.
    """

    kind: CellKind
    name: str = ""
    number: int = 0

    def __str__(self) -> str:
        if self.kind is CellKind.JUDGES:
            return "judges"
        return f"{self.name}, {self.kind}" + ("" if self.numberless else f" {self.number}")

    @property
    def numberless(self) -> bool:
        """Whether a row has only one cell of the kind."""
        return self.kind in (CellKind.JUDGES, CellKind.CHOICE)

    def file(self, out: Path) -> Path:
        """The file whose presence says that the cell is done."""
        if self.kind is CellKind.JUDGES:
            return out / "cells" / "judges.npz"
        stem = str(self.kind) if self.numberless else f"{self.kind}-{self.number}"
        return out / "cells" / self.name / f"{stem}.npz"


JUDGES = Cell(CellKind.JUDGES)


def rows_of(config: CompareConfig) -> dict[str, ComparatorConfig]:
    """Name -> row of the table; every comparator there is where the configuration names none."""
    return config.comparators or {name: ComparatorConfig() for name in comparators()}


def seeds_of(config: CompareConfig, name: str) -> tuple[int, ...]:
    """The seeds that a row is trained with: one where its comparator does not draw."""
    row = rows_of(config)[name]
    draws = comparator_class(row.comparator or name).draws
    return config.seeds if draws else config.seeds[:1]


def trials_of(config: CompareConfig, name: str) -> list[dict[str, Any]]:
    """The settings that a row is tried with."""
    return trials(name, rows_of(config)[name], config.tuning.budget, config.seed)


def cells_of(config: CompareConfig) -> Iterator[Cell]:
    """All cells of a comparison, those that take longest or that many wait for first."""
    yield JUDGES
    for name in rows_of(config):
        for number in range(len(trials_of(config, name))):
            yield Cell(CellKind.TRIAL, name, number)
        yield Cell(CellKind.CHOICE, name)
        for seed in seeds_of(config, name):
            yield Cell(CellKind.SEED, name, seed)
            yield Cell(CellKind.JUDGED, name, seed)


def needs(config: CompareConfig, cell: Cell) -> list[Cell]:
    """The cells that must be done before."""
    if cell.kind is CellKind.CHOICE:
        tried = [
            Cell(CellKind.TRIAL, cell.name, n) for n in range(len(trials_of(config, cell.name)))
        ]
        by_evaluator = config.tuning.by is TunedBy.EVALUATOR and len(tried) > 1
        return [*tried, JUDGES] if by_evaluator else tried
    if cell.kind is CellKind.SEED:
        return [Cell(CellKind.CHOICE, cell.name)]
    if cell.kind is CellKind.JUDGED:
        return [Cell(CellKind.SEED, cell.name, cell.number), JUDGES]
    return []


def write_cell(path: Path, document: Mapping[str, Any], arrays: Arrays | None = None) -> None:
    """Writes what a cell found, whole or not at all.

    Args:
        path: The file.
        document: Plain values.
        arrays: Slates and values of pages.

    Raises:
        OSError: It cannot be written; it is named.
    """
    with whole_file(path) as draft, draft.open("wb") as file:
        held: dict[str, Any] = {"document": np.array(json.dumps(document)), **(arrays or {})}
        np.savez(file, **held)


def read_cell(path: Path) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """The document and the arrays that `write_cell` wrote.

    Raises:
        CellError: The file is missing or damaged.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            document: dict[str, Any] = json.loads(str(archive["document"]))
            return document, {name: archive[name] for name in archive.files if name != "document"}
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CellError(f"{path}: not a readable cell of a comparison: {error}") from None
