"""RUN/run.html: the run in words, its files, its curves; without matplotlib how to have them."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from gerank.report.run import run_page, write_run_page
from gerank.train.about import About
from gerank.train.run_folder import RunFolder
from tests.cli.command import done
from tests.report.conftest import Reported
from tests.report.outline import Outline, self_contained


@pytest.fixture(scope="module")
def finished(full: Reported, tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """A copy of a run of three utilities, for tests to write to."""
    run = full.evaluation.evidence.folder.path
    return RunFolder.open(Path(shutil.copytree(run, tmp_path_factory.mktemp("page") / "run")))


@pytest.fixture(scope="module")
def outline(finished: RunFolder) -> Outline:
    return self_contained(write_run_page(finished).read_text(encoding="utf-8"))


def test_it_says_what_the_run_is_and_what_came_of_it(outline: Outline, finished: RunFolder) -> None:
    text = "".join(outline.text)
    assert "learnt from 600 pages of" in text
    assert str(finished.config.data.log) in text
    assert "seller_diversity (weight 0 to 1, 0.2 by default)" in text
    assert f"verdict: {finished.facts['verdict']['verdict']}" in text
    for warning in finished.facts["warnings"]:
        assert warning["text"] in text
    assert "has not ended" not in text


def test_it_names_every_file_of_the_folder_and_says_what_it_is(
    outline: Outline, finished: RunFolder
) -> None:
    write_run_page(finished)
    rows = self_contained(run_page(finished)).table("Files")
    named = dict(rows[1:])  # type: ignore[arg-type]
    there = {path for path in finished.path.iterdir() if path.name != "checkpoints"}
    there |= set((finished.path / "checkpoints").iterdir())
    assert named.keys() == {str(path.relative_to(finished.path)) for path in there}
    assert all(named.values())


def test_it_says_how_the_run_came_about(outline: Outline, finished: RunFolder) -> None:
    about = About.read(finished.path)
    assert about is not None and about.start is not None
    told = dict(outline.table("How it came about")[1:])  # type: ignore[arg-type]
    assert told["torch"] == about.start.environment["torch"]
    assert told["started"].removesuffix(" UTC").replace(" ", "T") + "+00:00" == about.start.time
    assert told["finished"] == "yes"


def test_it_draws_the_curves_of_the_training(outline: Outline) -> None:
    assert outline.count["svg"] == 1
    assert {"epoch", "generator"} <= set(outline.labels)


def test_an_unfinished_run_has_a_page_too(finished: RunFolder, tmp_path: Path) -> None:
    begun = RunFolder(tmp_path / "run", finished.config, finished.schema, 512)
    begun.create(resume=False)
    text = "".join(self_contained(run_page(begun)).text)
    assert "Training has not ended: `gerank train --resume` goes on." in text
    assert "verdict:" not in text


def test_info_shows_the_same(finished: RunFolder, outline: Outline) -> None:
    told = done("info", finished.path)
    for title in ("Files", "How it came about"):
        for row in outline.table(title)[1:]:
            assert row[0] in told
    assert "learnt from 600 pages of" in told
    document = json.loads(done("info", finished.path, "--json"))
    about = About.read(finished.path)
    assert about is not None and about.start is not None
    assert document["about"]["start"]["time"] == about.start.time
    assert document["verdict"] == finished.facts["verdict"]
