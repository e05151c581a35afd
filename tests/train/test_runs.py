"""Runs side by side: what came of each, and in what they differ, with numbers as numbers."""

from __future__ import annotations

import json
from pathlib import Path

import pandas
import pytest

import gerank
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.runs import find_runs, run_tables, summary_of
from tests.cli.command import done
from tests.cli.command import gerank as command
from tests.train.tiny import tiny_config


@pytest.fixture(scope="module")
def two(run: RunFolder, log_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """A finished run, and one of another width that was begun."""
    config = tiny_config(log_folder, width=16)
    other = RunFolder(tmp_path_factory.mktemp("begun") / "run", config, run.schema, 512)
    other.create(resume=False)
    return [run.path, other.path]


def test_a_summary_is_what_the_run_says_of_itself(run: RunFolder) -> None:
    found = summary_of(run)
    judgement = run.facts["verdict"]
    assert found.figures["finished"] is True
    assert found.figures["verdict"] == judgement["verdict"]
    opinion = judgement["opinions"][0]
    assert found.figures[f"{opinion['name']}: gain"] == opinion["gain"]
    assert found.figures["pages"] == 400
    assert found.settings["generator.width"] == run.config.generator.width
    assert found.settings["data.score"] == "ctr_score"


def test_only_settings_that_differ_are_compared(two: list[Path]) -> None:
    runs, settings = run_tables(find_runs(two))
    assert runs.columns == ("", *map(str, two))
    assert [row[0] for row in settings.rows] == ["generator.width"]
    assert settings.rows[0][1:] == (8, 16)
    finished = next(row for row in runs.rows if row[0] == "finished")
    assert finished[1:] == ("true", "false")


def test_runs_are_found_below_a_folder_once(run: RunFolder) -> None:
    found = find_runs([run.path.parent, run.path])
    assert [each.path.resolve() for each in found] == [run.path.resolve()]


def test_the_frame_has_a_row_per_run_and_numbers_in_its_columns(two: list[Path]) -> None:
    frame = gerank.runs(*two)
    assert isinstance(frame, pandas.DataFrame)
    assert list(frame.index) == [str(path) for path in two]
    assert frame["settings.generator.width"].tolist() == [8, 16]
    assert pandas.api.types.is_numeric_dtype(frame["outside_support"])


def test_the_command_prints_numbers_as_numbers(two: list[Path]) -> None:
    printed = json.loads(done("runs", *two, "--json"))
    assert [each["settings"]["generator.width"] for each in printed] == [8, 16]
    assert isinstance(printed[0]["figures"]["outside_support"], float)
    assert "generator.width" in done("runs", *two)


def test_a_folder_without_runs_is_told(tmp_path: Path) -> None:
    assert done("runs", tmp_path) == "no runs\n"
    with pytest.raises(RunError, match="nowhere is no folder"):
        find_runs([tmp_path / "nowhere"])
    assert command("runs", tmp_path / "nowhere").code == 1
