"""Runs by several processes: killed and started anew, resumed by one, and told of once."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor, distributed

from gerank.train.config import TrainConfig, UtilityConfig
from gerank.train.config_toml import to_toml
from gerank.train.launch import Launch
from gerank.train.run_folder import RunFolder, read_checkpoint
from gerank.train.train import train
from tests.train.test_resume import interrupted
from tests.train.tiny import RANGED, STAGES, tiny_config
from tests.train.torchrun import LONGEST_S, ROOT, command, environment, torchrun

pytestmark = pytest.mark.skipif(
    not distributed.is_gloo_available(), reason="this torch has no gloo"
)
KILLS = int(os.environ.get("GERANK_TEST_KILLS", "1"))
"""kill -9 at so many random moments."""


def config_of(log: Path, **changes: object) -> TrainConfig:
    """Two ranged utilities, and enough epochs for a kill to fall between them."""
    return tiny_config(log, reward=RANGED, epochs=8, **changes)


def program(config: TrainConfig, folder: Path, *options: str) -> list[str]:
    """`gerank train` of a configuration, into `folder`/run."""
    folder.mkdir(exist_ok=True)
    file = folder / "config.toml"
    file.write_text(to_toml(config))
    return ["-m", "gerank", "train", str(file), "--out", str(folder / "run"), *options]


def weights(run: Path) -> dict[str, Tensor]:
    """All parameters of all stages."""
    folder = RunFolder.open(run)
    return {
        f"{stage}.{name}": value
        for stage in STAGES
        for name, value in read_checkpoint(folder.checkpoint(stage, "best"))["model"].items()
    }


@pytest.fixture(scope="module")
def whole(log_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[RunFolder, str]:
    """A run of two processes that nobody disturbed, and what it said."""
    folder = tmp_path_factory.mktemp("whole")
    ended = torchrun(2, *program(config_of(log_folder), folder))
    assert ended.returncode == 0, ended.stderr
    return RunFolder.open(folder / "run"), ended.stdout


def test_one_process_speaks_and_writes(whole: tuple[RunFolder, str]) -> None:
    folder, said = whole
    assert folder.finished
    assert said.count("verdict: ") == 1
    rows = (folder.path / "metrics.csv").read_text().splitlines()
    assert len(rows) == len({row.rpartition(",")[0] for row in rows})
    assert len(list((folder.path / "tensorboard").iterdir())) == 1


def test_it_is_nearly_the_run_of_one_process(whole: tuple[RunFolder, str], tmp_path: Path) -> None:
    """Rounding is another one, and Adam makes a step of it where a gradient is zero but for it."""
    folder, _ = whole
    alone = train(folder.config, tmp_path / "run")
    assert alone.facts["reading"]["chosen"] == folder.facts["reading"]["chosen"]
    ours, theirs = weights(folder.path), weights(alone.path)
    assert ours.keys() == theirs.keys()
    off = torch.cat(
        [((ours[name].float() - theirs[name].float()).abs() > 1e-3).flatten() for name in theirs]
    )
    assert off.float().mean() < 0.01


def test_what_two_processes_left_is_finished_by_one_and_the_other_way_round(
    whole: tuple[RunFolder, str], tmp_path: Path
) -> None:
    folder, _ = whole
    begun = interrupted(folder.config, tmp_path / "begun" / "run", "generator", 4)
    ended = torchrun(2, *program(folder.config, tmp_path / "begun", "--resume"))
    assert ended.returncode == 0, ended.stderr
    assert begun.finished
    last = read_checkpoint(begun.checkpoint("generator", "last"))
    assert last["epoch"] == 7
    score = read_checkpoint(folder.checkpoint("generator", "last"))["best_score"]
    assert last["best_score"] == pytest.approx(score, abs=1e-3)

    copy = RunFolder.open(Path(shutil.copytree(folder.path, tmp_path / "copy")))
    copy.write_facts({"finished": False})
    for which in ("last", "best"):
        copy.checkpoint("generator", which).unlink()
    again = train(copy.config, copy.path, resume=True)
    assert again.finished
    last = read_checkpoint(again.checkpoint("generator", "last"))
    assert last["best_score"] == pytest.approx(score, abs=1e-3)


def workers(launcher: int) -> list[int]:
    """The processes that torchrun has started and that have not ended."""
    found = []
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = status.read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if int(fields[1]) == launcher and fields[0] != "Z":
            found.append(int(status.parent.name))
    return sorted(found)


def kill_one(
    launched: subprocess.Popen[bytes], run: Path, draw: random.Random, most: float
) -> None:
    """Kills a process of a run, `most` seconds at most after there is one to kill."""
    deadline = time.monotonic() + LONGEST_S / 2
    while launched.poll() is None and time.monotonic() < deadline:
        found = workers(launched.pid)
        if len(found) == 2 and (run / "config.toml").exists():
            break
        time.sleep(0.02)
    time.sleep(draw.uniform(0, most))
    found = workers(launched.pid)
    if launched.poll() is None and found:
        os.kill(draw.choice(found), signal.SIGKILL)


def test_a_run_whose_processes_are_killed_goes_on_to_the_same_weights(
    whole: tuple[RunFolder, str], tmp_path: Path, seed: int
) -> None:
    folder, _ = whole
    written = [path.stat().st_mtime for path in (folder.path / "checkpoints").iterdir()]
    most, draw, run = max(written) - min(written), random.Random(seed), tmp_path / "run"
    line = command(2, *program(folder.config, tmp_path), restarts=KILLS)
    with (tmp_path / "errors").open("wb") as errors:
        launched = subprocess.Popen(line, cwd=ROOT, env=environment(), stderr=errors)
        try:
            for _ in range(KILLS):
                kill_one(launched, run, draw, most)
                time.sleep(1.0)  # torchrun ends the other process before it starts them anew
            assert launched.wait(LONGEST_S) == 0, (tmp_path / "errors").read_text()
        finally:
            launched.kill()
    assert "exitcode: -9" in (tmp_path / "errors").read_text()
    ours, theirs = weights(run), weights(folder.path)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert torch.equal(ours[name], value), name
    facts = [RunFolder.open(path).facts for path in (run, folder.path)]
    assert facts[0].pop("launch") != facts[1].pop("launch")
    assert facts[0] == facts[1]


def test_a_restart_goes_on_with_no_run_but_its_own(
    whole: tuple[RunFolder, str], tmp_path: Path
) -> None:
    folder, _ = whole
    run = Path(shutil.copytree(folder.path, tmp_path / "run"))
    facts = json.loads((run / "run.json").read_text()) | {"finished": False}
    (run / "run.json").write_text(json.dumps(facts))
    ended = torchrun(2, *program(folder.config, tmp_path), restarts=1)
    assert ended.returncode != 0
    assert ended.stderr.count("holds a run already: pass --resume") == 2  # at first, and anew
    assert not RunFolder.open(run).finished


@pytest.mark.parametrize(
    ("name", "restarts", "same"),
    [("none", "1", True), ("none", "0", False), ("mine", "2", True), ("other", "2", False)],
)
def test_a_launch_knows_its_run_by_its_name(name: str, restarts: str, same: bool) -> None:
    def launch(run_id: str, count: str) -> Launch | None:
        told = {"RUN_ID": run_id, "RESTART_COUNT": count}
        environment = {f"TORCHELASTIC_{key}": value for key, value in told.items()}
        sizes = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "LOCAL_RANK": "0"}
        return Launch.of_this_process(environment | sizes)

    began = launch("none" if name == "none" else "mine", "0")
    now = launch(name, restarts)
    assert began is not None and now is not None
    assert (now.name == began.name and now.restarts > 0) is same
    assert Launch.of_this_process({"WORLD_SIZE": "2", "RANK": "1"}) is None


SHOP = """
import os

def fails_in_one(judged):
    if os.environ["RANK"] == "1" and len(judged.slates) > 8:
        raise ArithmeticError("no more of this")
    return judged.slot_click.sum(-1)
"""


def test_what_fails_in_one_process_is_told_once_and_ends_the_others(
    log_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "shop_of_processes.py").write_text(SHOP)
    mine = UtilityConfig(utility="shop_of_processes:fails_in_one")
    config = tiny_config(log_folder, reward={"clicks": UtilityConfig(), "mine": mine})
    ended = torchrun(2, *program(config, tmp_path), paths=(tmp_path,))
    assert ended.returncode != 0
    assert ended.stderr.count("no more of this") == 1, ended.stderr
    assert "no longer hears" not in ended.stderr


def test_what_all_processes_refuse_is_told_once(log_folder: Path, tmp_path: Path) -> None:
    config = tiny_config(log_folder)
    config = replace(config, data=replace(config.data, score="nowhere"))
    ended = torchrun(2, *program(config, tmp_path))
    assert ended.returncode != 0
    assert ended.stderr.count("data.score: 'nowhere' is not a dense feature") == 1, ended.stderr
    assert not (tmp_path / "run").exists()


SILENT = """
import time
from datetime import timedelta

import torch

from gerank.cli.errors import exit_on_error
from gerank.train.processes import joined

with exit_on_error(), joined(timedelta(seconds=4)) as processes:
    if processes.rank == 1:
        time.sleep(600)
    processes.summed(torch.ones(1))
"""


def test_a_process_that_says_nothing_ends_the_others(tmp_path: Path) -> None:
    (tmp_path / "silent.py").write_text(SILENT)
    ended = torchrun(2, str(tmp_path / "silent.py"))
    assert ended.returncode != 0
    told = "process 0 of 2 no longer hears from the others, and ends: "
    assert ended.stderr.count(told) == 1, ended.stderr


OTHERWISE = """
import os
import sys
from dataclasses import replace
from pathlib import Path

from gerank.cli.errors import exit_on_error
from gerank.train.config_toml import read_config
from gerank.train.processes import joined
from gerank.train.train import train

with exit_on_error(), joined() as processes:
    config = read_config(Path(sys.argv[1]))
    if processes.rank == 1:
        config = replace(config, seed=7)
    train(config, Path(sys.argv[2]))
"""


def test_processes_of_different_settings_are_refused_by_name(
    log_folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "otherwise.py").write_text(OTHERWISE)
    (tmp_path / "config.toml").write_text(to_toml(tiny_config(log_folder)))
    script = [str(tmp_path / "otherwise.py"), str(tmp_path / "config.toml")]
    ended = torchrun(2, *script, str(tmp_path / "run"))
    assert ended.returncode != 0
    told = "process 1 of 2 has other settings than process 0: seed was 0 and is 7 now"
    assert ended.stderr.count(told) == 1, ended.stderr
    assert not (tmp_path / "run").exists()
