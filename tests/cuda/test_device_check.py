"""tools/device_check.sh up to where it needs a GPU: every step begins, and each is told of."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cuda.shim_build import ROOT

SCRIPT = ROOT / "tools" / "device_check.sh"
STEPS = ["device", "build", "ops", "memcheck", "racecheck", "decode", "training_step"]
STEPS += ["train_epoch", "served"]


def check(
    logs: Path, *options: str, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """A dry run; without nvcc on the path, since tests of their own compile the kernels."""
    own = {"PYTHON": python, "PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        ["bash", SCRIPT, "--dry-run", "--logs", logs, *options],
        env=os.environ | own,
        capture_output=True,
        text=True,
        check=False,
        timeout=1700,
    )


def table(printed: str) -> dict[str, list[str]]:
    """Step -> the other columns of the table at the end."""
    lines = printed.split("\nstep ", 1)[1].splitlines()[1:]
    rows = [line.split() for line in lines if not line.startswith("the whole output")]
    return {step: [" ".join(outcome), seconds, limit] for step, *outcome, seconds, limit in rows}


def outcomes(printed: str) -> dict[str, str]:
    return {step: columns[0] for step, columns in table(printed).items()}


@pytest.mark.timeout(1800)  # a minute, where nothing else runs
def test_a_dry_run_goes_through_every_step_and_says_what_each_would_run(tmp_path: Path) -> None:
    run = check(tmp_path)
    assert outcomes(run.stdout) == dict.fromkeys(STEPS, "passed"), run.stdout
    assert run.returncode == 0
    commands = [line for line in run.stdout.splitlines() if line.startswith("would run: ")]
    assert len(commands) == len(STEPS)
    for step, words in {
        "build": "-DGERANK_CUDA=ON",
        "memcheck": "--tool memcheck",
        "racecheck": "--tool racecheck",
        "decode": "benchmarks/decode_cuda.py",
        "training_step": "benchmarks/training_step.py --device cuda",
        "train_epoch": "benchmarks/train_epoch.py --devices cpu cuda",
        "served": "benchmarks/served_device.py --device cuda",
    }.items():
        part = run.stdout.split(f"== {step} ", 1)[1].split(f"-- {step}:", 1)[0]
        assert words in part.split("would run: ", 1)[1], step
    assert sorted(path.stem for path in tmp_path.glob("*.log")) == sorted(STEPS)


def test_a_step_that_fails_stops_no_other_and_is_told_at_the_end(tmp_path: Path) -> None:
    run = check(tmp_path, python="/bin/false")
    assert outcomes(run.stdout) == dict.fromkeys(STEPS, "failed (1)"), run.stdout
    assert run.returncode == 1


def test_the_limits_of_all_steps_together_are_eight_minutes(tmp_path: Path) -> None:
    run = check(tmp_path, python="/bin/false")
    assert sum(int(limit) for *_, limit in table(run.stdout).values()) == 480


def test_chosen_steps_run_in_their_own_order(tmp_path: Path) -> None:
    run = check(tmp_path, "--steps", "ops,device", python="/bin/false")
    assert list(outcomes(run.stdout)) == ["device", "ops"]


def test_a_step_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    run = check(tmp_path, "--steps", "ops", "--limit", "ops=0.05")
    assert outcomes(run.stdout) == {"ops": "timed out"}, run.stdout
    assert run.returncode == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--steps", "ops,cooking"], "--steps: cooking is none of device build"),
        (["--limit", "cooking=3"], "--limit: cooking is none of device build"),
        (["--limit", "ops=soon"], "--limit: seconds of ops must be a number, got 'soon'"),
        (["--wet-run"], "--wet-run is no option"),
    ],
)
def test_what_it_does_not_know_is_refused_by_name(
    tmp_path: Path, options: list[str], words: str
) -> None:
    run = check(tmp_path, *options)
    assert (run.returncode, run.stdout) == (2, "")
    assert words in run.stderr
