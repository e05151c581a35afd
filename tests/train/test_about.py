"""What a run keeps of how it came about: code, command, machine, times; nothing of it is a must."""

from __future__ import annotations

import json
import platform
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import torch

from gerank.train.about import About, Revision, Start, note_end, note_start
from gerank.train.run_folder import RunError, RunFolder
from gerank.train.stage import MetricsLog
from gerank.train.train import train


def git(folder: Path, *arguments: str) -> str:
    """Runs git without anybody's own settings."""
    who = ["-c", "user.name=test", "-c", "user.email=test@example.org"]
    command = ["git", "-C", str(folder), *who, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A folder with one committed configuration."""
    folder = tmp_path / "shop"
    folder.mkdir()
    git(folder, "init", "--quiet")
    (folder / "shop.toml").write_text("seed = 0\n")
    git(folder, "add", "shop.toml")
    git(folder, "commit", "--quiet", "-m", "settings")
    return folder


def test_the_revision_is_that_of_the_configurations_folder(repository: Path) -> None:
    start = Start.now(repository / "shop.toml")
    assert start.git == Revision(git(repository, "rev-parse", "HEAD"), dirty=False)


def test_a_changed_file_makes_it_dirty_and_a_new_one_does_not(repository: Path) -> None:
    (repository / "notes.txt").write_text("not known to git\n")
    clean = Revision.of(repository)
    assert clean is not None and not clean.dirty
    (repository / "shop.toml").write_text("seed = 1\n")
    changed = Revision.of(repository)
    assert changed is not None and changed.dirty


def test_without_a_repository_there_is_no_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    assert Revision.of(tmp_path) is None


def test_a_repository_without_a_commit_has_no_revision(tmp_path: Path) -> None:
    git(tmp_path, "init", "--quiet")
    assert Revision.of(tmp_path) is None


def test_without_git_there_is_no_revision_and_no_error(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(repository / "nothing"))
    assert Start.now(repository / "shop.toml").git is None


def test_a_start_tells_command_place_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["/usr/bin/gerank", "train", "my shop.toml"])
    start = Start.now(None)
    assert start.command == ("gerank", "train", "my shop.toml")
    assert start.folder == str(tmp_path)
    assert start.git is None
    assert start.environment["python"] == platform.python_version()
    assert start.environment["torch"] == torch.__version__
    assert start.environment["threads"] == torch.get_num_threads()
    monkeypatch.setattr(sys, "argv", ["/lib/gerank/__main__.py", "train"])
    assert Start.now(None).command == ("python", "-m", "gerank", "train")


def test_a_finished_run_keeps_when_it_began_and_ended(run: RunFolder) -> None:
    about = About.read(run.path)
    assert about is not None and about.start is not None and about.ended is not None
    began, ended = map(datetime.fromisoformat, (about.start.time, about.ended))
    assert began <= ended <= datetime.now(UTC)
    assert datetime.now(UTC) - began < timedelta(days=1)
    assert about.resumed == ()
    assert about.start.environment["threads"] == run.config.threads


def test_a_run_that_goes_on_keeps_its_first_start_and_lists_its_resumptions(
    run: RunFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = MetricsLog.write

    def interrupt(log: MetricsLog, stage: str, epoch: int, metrics: dict[str, float]) -> None:
        if stage == "clone":
            raise KeyboardInterrupt
        write(log, stage, epoch, metrics)

    out = tmp_path / "run"
    for resume in (False, True):
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(MetricsLog, "write", interrupt)
            train(run.config, out, resume=resume)
    broken = About.read(out)
    assert broken is not None and broken.ended is None and len(broken.resumed) == 1
    train(run.config, out, resume=True)
    whole = About.read(out)
    assert whole is not None and whole.ended is not None
    assert whole.start == broken.start
    assert whole.resumed[0] == broken.resumed[0] and len(whole.resumed) == 2
    assert whole.latest == whole.resumed[1]


def test_a_run_that_kept_nothing_can_go_on(tmp_path: Path) -> None:
    note_start(tmp_path, None, is_new=False)
    note_end(tmp_path)
    about = About.read(tmp_path)
    assert about is not None and about.start is None
    assert len(about.resumed) == 1 and about.ended is not None


def test_nothing_of_it_is_in_run_json(run: RunFolder) -> None:
    assert not {"about", "start", "ended", "command", "git"} & run.facts.keys()


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"start": 1, "resumed": [], "ended": null}'])
def test_a_damaged_file_is_named(run: RunFolder, tmp_path: Path, text: str) -> None:
    copied = Path(shutil.copytree(run.path, tmp_path / "run"))
    (copied / "about.json").write_text(text)
    with pytest.raises(RunError, match=r"about\.json is damaged"):
        About.read(copied)


def test_the_file_reads_back_as_it_was_written(tmp_path: Path, repository: Path) -> None:
    note_start(tmp_path, repository / "shop.toml", is_new=True)
    about = About.read(tmp_path)
    assert about is not None and about.start is not None
    document = json.loads((tmp_path / "about.json").read_text())
    assert document["start"]["git"]["commit"] == git(repository, "rev-parse", "HEAD")
    assert about == About(Start.from_json(document["start"]))
