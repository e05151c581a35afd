"""Names that libraries might take for something else: a log is written and read under each."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gerank.data.exposure_checks import ExposureLogError
from gerank.data.exposure_log import FILE_NAME, ExposureLog
from gerank.data.ranklens.catalogue import Catalogue
from gerank.data.simulator import SimulatorTruth
from tests.cli.command import run
from tests.train.tiny import tiny_log

NAMES = [b"exp:1", b"s3:x", b"file:log", b"a b\xff", b"-log", b"~"]


@pytest.mark.parametrize("name", NAMES)
def test_a_log_can_lie_under_any_name(
    name: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # a relative path begins with the name
    folder = Path(os.fsdecode(name))
    log, truth = tiny_log(pages=8)
    log.write(folder)
    truth.write(folder)
    assert (ExposureLog.read(folder).page_ids == log.page_ids).all()
    SimulatorTruth.read(folder)
    catalogue = Catalogue(("drama",), 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
    catalogue.write(folder)
    assert Catalogue.read(folder) == catalogue


def test_what_lies_there_instead_of_a_log_is_named(tmp_path: Path) -> None:
    (tmp_path / "folder" / FILE_NAME).mkdir(parents=True)
    (tmp_path / "fifo").mkdir()
    os.mkfifo(tmp_path / "fifo" / FILE_NAME)
    (tmp_path / "nothing").mkdir()
    for name, words in [
        ("folder", "is a directory, not a regular file"),
        ("fifo", "is a FIFO, not a regular file"),
        ("nothing", "no such file"),
    ]:
        with pytest.raises(ExposureLogError) as caught:
            ExposureLog.read(tmp_path / name)
        assert str(caught.value) == f"{tmp_path / name / FILE_NAME}: {words}"


def test_the_command_line_takes_such_names_too(tmp_path: Path) -> None:
    for name in (b"s3:x", b"a\xff"):
        result = run("simulate", "--pages", 8, "--out", tmp_path / os.fsdecode(name))
        assert result.code == 0, result.err
