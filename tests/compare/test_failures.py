"""What a comparison refuses or leaves out, and in which words."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import pytest

from gerank.compare.cells import Cell, CellError, CellKind
from gerank.compare.compare import compare
from gerank.compare.config import ComparatorConfig
from gerank.compare.workspace import CompareError, Workspace
from gerank.data.exposure_log import ExposureLog
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
        ("kill", "bad, trial 0: a worker process ended, as for want of memory"),
    ],
)
def test_a_cell_that_fails_is_named(how: str, message: str, logs: Path, tmp_path: Path) -> None:
    rows = {"bad": ComparatorConfig(f"{OWN}:Fails", settings={"how": how})}
    config = config_in(logs, comparators=rows, reference="bad", workers=1)
    (tmp_path / "cells").mkdir()
    Cell(CellKind.JUDGES).file(tmp_path).write_bytes(b"")  # the judges are not of interest here
    with pytest.raises(CellError, match=message):
        compare(config, logs / "test", tmp_path)


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
