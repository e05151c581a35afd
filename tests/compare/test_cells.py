"""The cells of a comparison: each is done once, in order, and leaves its one file."""

from __future__ import annotations

import dataclasses

import numpy as np
import torch

from gerank.compare.cells import Cell, CellKind, cells_of, read_cell
from gerank.compare.work import shown_slates
from gerank.compare.workspace import Workspace
from gerank.data.exposure_log import ExposureLog
from tests.compare.conftest import Compared
from tests.train.tiny import SLOTS


def test_every_cell_is_done_once_after_what_it_needs(compared: Compared) -> None:
    done = [cell for cell, is_done in compared.told if is_done]
    assert sorted(map(str, done)) == sorted(map(str, cells_of(compared.config)))
    begun = [cell for cell, is_done in compared.told if not is_done]
    assert set(begun) == set(done) and len(begun) == len(done)
    order = {(cell, is_done): place for place, (cell, is_done) in enumerate(compared.told)}
    choice, trial = (Cell(kind, "trees", 0) for kind in (CellKind.CHOICE, CellKind.TRIAL))
    assert order[trial, True] < order[choice, False]
    assert order[choice, True] < order[Cell(CellKind.SEED, "trees", 1), False]


def test_validation_pages_choose_the_trial_of_the_highest_score(compared: Compared) -> None:
    choice = read_cell(Cell(CellKind.CHOICE, "trees").file(compared.out))[0]
    tried = [trial["settings"]["trees"] for trial in choice["trials"]]
    assert tried == [10, 20]
    assert all(trial["settings"]["leaves"] == 4 for trial in choice["trials"])
    assert choice["scores"][choice["chosen"]] == max(choice["scores"])


def test_slates_are_cut_to_the_length_that_was_shown(compared: Compared) -> None:
    space = Workspace.read(compared.config, compared.folder / "test", compared.out)
    shorter = dataclasses.replace(space, test=_with_shorter_first_page(space.test))
    cut = shown_slates(shorter, torch.zeros(len(space.test), SLOTS, dtype=torch.int64).numpy())
    assert cut[0].tolist() == [0, -1, -1] and (cut[1:] == 0).all()


def _with_shorter_first_page(log: ExposureLog) -> ExposureLog:
    kept = np.r_[0, SLOTS : len(log.slates)]
    names = ("slates", "clicks", "log_propensity", "placement_propensity")
    columns = {name: getattr(log, name)[kept] for name in names}
    offsets = np.concatenate([[0], log.slate_offsets[1:] - 2])
    return dataclasses.replace(log, slate_offsets=offsets, **columns)


def test_nothing_temporary_is_left(compared: Compared) -> None:
    assert {path.name for path in compared.out.iterdir()} == {
        *("cells", "compare.json", "judges", "log", "tables.json"),
    }
