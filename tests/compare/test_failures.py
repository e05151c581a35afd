"""What a comparison refuses or leaves out, and in which words."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from gerank.compare.cells import Cell, CellError, CellKind
from gerank.compare.compare import compare
from gerank.compare.config import ComparatorConfig
from gerank.compare.workspace import CompareError, Workspace
from gerank.data.exposure_log import ExposureLog
from gerank.only_writer import FolderInUseError, only_writer
from tests.compare.conftest import Compared, config_in, row, table

OWN = "tests.compare.own_comparator"


def test_a_comparator_that_pages_are_unfit_for_is_left_out_and_told(compared: Compared) -> None:
    space = Workspace.read(compared.config, compared.folder / "test", compared.out)
    reason = f"{len(space.split.train)} pages are too few"
    assert row(table(compared, "Settings"), "no_score") == ("no_score", "left out", reason)
    assert all(each[0] != "no_score" for each in table(compared, "true clicks").rows)


def test_a_trial_that_fails_for_its_setting_alone_is_left_out(
    compared: Compared, tmp_path: Path
) -> None:
    shutil.copytree(compared.out, tmp_path / "out")
    rows = {"picky": ComparatorConfig(f"{OWN}:Picky")}
    config = dataclasses.replace(
        compared.config, comparators=compared.config.comparators | rows, reference="picky"
    )
    found = compare(config, compared.folder / "test", tmp_path / "out", resume=True)
    again = Compared(compared.folder, found, [])
    settings = row(table(again, "Settings"), "picky")
    assert settings == ("picky", "2, 1 left out", 'mood = "good"')
    assert row(table(again, "true clicks"), "logged")[2].estimate == 0  # it shows what was logged


def test_a_reference_that_is_left_out_is_told(compared: Compared) -> None:
    config = dataclasses.replace(compared.config, reference="no_score")
    with pytest.raises(CompareError, match=r"reference 'no_score' was left out: .* are too few"):
        compare(config, compared.folder / "test", compared.out, resume=True)


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("value", "bad, trial 0: this comparator always fails"),
        ("kill", "a worker process ended, as for want of memory, .*: bad, trial 0. Fewer workers"),
        ("mistake", r"bad, trial 0: TypeError: an int is no str \(more in .*failure\.txt\)"),
    ],
)
def test_a_cell_that_fails_is_named(how: str, message: str, logs: Path, tmp_path: Path) -> None:
    rows = {"bad": ComparatorConfig(f"{OWN}:Fails", settings={"how": how})}
    config = config_in(logs, comparators=rows, reference="bad", workers=1)
    (tmp_path / "cells").mkdir()
    Cell(CellKind.JUDGES).file(tmp_path).write_bytes(b"")  # the judges are not of interest here
    with pytest.raises(CellError, match=message):
        compare(config, logs / "test", tmp_path)
    kept = tmp_path / "log" / "failure.txt"
    assert kept.exists() == (how == "mistake")
    assert how != "mistake" or "own_comparator.py" in kept.read_text()


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("outside", r"slates: page '.+', slot 0 is 99, not the index of a candidate"),
        ("twice", r"slates: page '.+', slot 2 is \d, which stands above it"),
        ("gap", r"slates: page '.+', slot 0 is -1, not the index of a candidate"),
        ("short", r"slates: must be a tensor \(80, 3\) of int64, got \(80, 2\) torch\.int64"),
    ],
)
def test_slates_that_are_none_are_named(how: str, message: str, logs: Path, tmp_path: Path) -> None:
    rows = {"bad": ComparatorConfig(f"{OWN}:Wrong", settings={"how": how})}
    config = config_in(logs, comparators=rows, reference="bad", workers=1)
    (tmp_path / "cells").mkdir()
    Cell(CellKind.JUDGES).file(tmp_path).write_bytes(b"")
    with pytest.raises(CellError, match=f"bad, trial 0: {message}"):
        compare(config, logs / "test", tmp_path)


def test_two_comparisons_do_not_write_into_one_folder(compared: Compared) -> None:
    with only_writer(compared.out), pytest.raises(FolderInUseError, match=str(compared.out)):
        compare(compared.config, compared.folder / "test", compared.out, resume=True)


def test_a_log_without_a_click_is_refused(compared: Compared, tmp_path: Path) -> None:
    log = ExposureLog.read(compared.folder / "train")
    dataclasses.replace(log, clicks=np.zeros_like(log.clicks)).write(tmp_path / "train")
    data = dataclasses.replace(compared.config.data, log=tmp_path / "train")
    config = dataclasses.replace(compared.config, data=data)
    with pytest.raises(CompareError, match=r"data\.log: none of its 1200 shown slots is clicked"):
        compare(config, compared.folder / "test", tmp_path / "out")


def test_few_pages_and_few_clicks_are_told(compared: Compared, tmp_path: Path) -> None:
    space = Workspace.read(compared.config, compared.folder / "test", compared.out)
    assert [warning.name for warning in space.warnings] == ["too few pages"]
    log = ExposureLog.read(compared.folder / "train")
    clicks = np.zeros_like(log.clicks)
    clicks[space.log.slate_offsets[space.split.train[:3]]] = 1
    rare = dataclasses.replace(space, log=dataclasses.replace(log, clicks=clicks))
    names = [warning.name for warning in rare.warnings]
    assert names == ["one-class feedback", "too few pages"]
    hasty = dataclasses.replace(space, config=dataclasses.replace(space.config, resamples=100))
    assert [warning.name for warning in hasty.warnings] == ["too few pages", "too few resamples"]


def test_a_name_cannot_be_a_comparator_and_a_file(compared: Compared, tmp_path: Path) -> None:
    test = ExposureLog.read(compared.folder / "test")
    path = tmp_path / "theirs.jsonl"
    path.write_text("".join(f'{{"id": "{page}", "order": [0]}}\n' for page in test.page_ids))
    with pytest.raises(CompareError, match="slates 'logged': a comparator has this name"):
        compare(
            compared.config,
            compared.folder / "test",
            compared.out,
            slates={"logged": path},
            resume=True,
        )


def test_people_of_the_training_log_cannot_be_tested_on(compared: Compared, tmp_path: Path) -> None:
    with pytest.raises(CompareError, match=r"shares \d+ people with data\.log, such as 'person-0-"):
        compare(compared.config, compared.folder / "train", tmp_path / "out")
