"""What is done for each kind of cell."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gerank.baselines.comparator import Comparator, UnfitPagesError
from gerank.baselines.registry import comparator_class
from gerank.compare.cells import Cell, CellKind, read_cell, rows_of, seeds_of, trials_of, write_cell
from gerank.compare.config import TunedBy
from gerank.compare.judging import (
    judged_rewards,
    predicted_clicks,
    train_judges,
    validation_score,
)
from gerank.compare.slate_check import checked_slates
from gerank.compare.tuning import best_trial
from gerank.compare.workspace import Workspace
from gerank.data.exposure_log import ExposureLog
from gerank.train.orders import exposed_slates, shown_length
from gerank.train.run_folder import RunError

SLATES, VALIDATION, TRUTH, PREDICTED = "slates", "validation", "truth", "predicted"
"""Arrays of cells: slates of test pages [E, N] and of validation pages [V, N], true clicks [E], and
clicks that the first judge expects [E, N]."""


def do(cell: Cell, space: Workspace) -> None:
    """Does a cell whose needs are done, and writes its file."""
    works = {
        CellKind.JUDGES: _train_judges,
        CellKind.TRIAL: _try,
        CellKind.CHOICE: _choose,
        CellKind.SEED: _train_seed,
        CellKind.JUDGED: _judge,
    }
    works[cell.kind](cell, space)


def _train_judges(cell: Cell, space: Workspace) -> None:
    train_judges(space.config, space.log, space.split, space.judges_folder, space.device)
    write_cell(cell.file(space.out), {})


def _try(cell: Cell, space: Workspace) -> None:
    """Fits the comparator with some settings; answers on validation and test pages."""
    settings = trials_of(space.config, cell.name)[cell.number]
    began = time.perf_counter()
    try:
        comparator = fitted(cell.name, settings, seeds_of(space.config, cell.name)[0], space)
    except (UnfitPagesError, RunError) as error:  # RunError: its training diverged
        write_cell(cell.file(space.out), {"settings": settings, "left_out": str(error)})
        return
    seconds = time.perf_counter() - began
    slots = space.config.data.slots
    arrays = {
        SLATES: _slates(comparator, space.test, space.test_rows, slots),
        VALIDATION: _slates(comparator, space.log, space.split.validation, slots),
    }
    write_cell(cell.file(space.out), {"settings": settings, "fit_seconds": seconds}, arrays)


def _choose(cell: Cell, space: Workspace) -> None:
    """Scores the trials on validation pages, where there is more than one."""
    tried = [
        read_cell(Cell(CellKind.TRIAL, cell.name, number).file(space.out))
        for number in range(len(trials_of(space.config, cell.name)))
    ]
    fit = [VALIDATION in arrays for _, arrays in tried]
    scores: list[float | None] = [None] * len(tried)
    if sum(fit) > 1:
        by_evaluator = space.config.tuning.by is TunedBy.EVALUATOR
        judges = space.judges if by_evaluator else None
        pages = space.log.select(space.split.validation)
        for number in np.flatnonzero(fit).tolist():
            slates = torch.from_numpy(tried[number][1][VALIDATION])
            scores[number] = validation_score(space.config, judges, pages, slates)
    chosen = best_trial(scores) if sum(fit) != 1 else fit.index(True)
    document: dict[str, Any] = {"chosen": chosen, "scores": scores}
    document["trials"] = [found for found, _ in tried]
    write_cell(cell.file(space.out), document)


def _train_seed(cell: Cell, space: Workspace) -> None:
    """Fits the chosen settings with one seed; the first seed's slates are the trial's."""
    choice, _ = read_cell(Cell(CellKind.CHOICE, cell.name).file(space.out))
    chosen = choice["chosen"]
    if chosen is None:
        write_cell(cell.file(space.out), {"left_out": choice["trials"][0]["left_out"]})
        return
    trial = choice["trials"][chosen]
    if cell.number == space.config.seeds[0]:
        _, arrays = read_cell(Cell(CellKind.TRIAL, cell.name, chosen).file(space.out))
        write_cell(cell.file(space.out), trial, {SLATES: arrays[SLATES]})
        return
    began = time.perf_counter()
    comparator = fitted(cell.name, trial["settings"], cell.number, space)
    seconds = time.perf_counter() - began
    document = {"settings": trial["settings"], "fit_seconds": seconds}
    slots = space.config.data.slots
    answered = _slates(comparator, space.test, space.test_rows, slots)
    write_cell(cell.file(space.out), document, {SLATES: answered})


def _judge(cell: Cell, space: Workspace) -> None:
    document, arrays = read_cell(Cell(CellKind.SEED, cell.name, cell.number).file(space.out))
    if SLATES not in arrays:
        write_cell(cell.file(space.out), document)
        return
    write_cell(cell.file(space.out), {}, judged(space, arrays[SLATES]))


def judged(space: Workspace, slates: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Judge -> reward [E] of slates [E, N] of the test pages; and `TRUTH` and `PREDICTED`.

    Slates are cut to the length that was shown: a longer one would win by its length.
    """
    cut = shown_slates(space, slates)
    rewards: dict[str, NDArray[Any]] = dict(judged_rewards(space.judges, space.test, cut))
    predicted = predicted_clicks(space.judges, space.test, cut)
    if predicted is not None:
        rewards[PREDICTED] = predicted
    if space.truth is not None:
        rewards[TRUTH] = space.truth.expected_clicks(space.test_rows, cut).double().numpy()
    return rewards


def shown_slates(space: Workspace, slates: NDArray[np.int64]) -> torch.Tensor:
    """Slates [E, N] of the test pages, cut to the length that was shown."""
    logged = exposed_slates(space.test, space.config.data.slots)
    return shown_length(torch.from_numpy(slates), logged)


def fitted(name: str, settings: dict[str, Any], seed: int, space: Workspace) -> Comparator:
    """A row's comparator with some settings, once it has learnt."""
    row = rows_of(space.config)[name]
    torch.manual_seed(seed)
    comparator = comparator_class(row.comparator or name)(settings, seed=seed)
    comparator.fit(space.pages)
    return comparator


def _slates(
    comparator: Comparator, log: ExposureLog, rows: NDArray[np.int64], slots: int
) -> NDArray[np.int64]:
    return checked_slates(comparator.slates(log, rows, slots), log, rows, slots)
