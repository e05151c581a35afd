"""Kills trainings at random moments, and looks what can be made of what they leave.

A program for a process of its own: it forks, so it must have no threads. The last argument is the
seed. It prints one JSON document, `{"kills": int, "faults": [str]}`.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import torch._dynamo  # torch imports it in the first step of an optimizer: once is enough

from gerank.data.exposure_log import ExposureLog
from gerank.export.from_run import export_run
from gerank.train.evaluate import evaluate
from gerank.train.run_folder import RunError, RunFolder, read_checkpoint
from gerank.train.train import train
from tests.train.tiny import RANGED, STAGES, tiny_config, tiny_log

LONGEST_S = 120.0


def forked(work: Callable[[], object], kill_after_s: float | None = None) -> tuple[float, bool]:
    """Runs `work` in a child; how long it took, and whether it came to its end."""
    began = time.monotonic()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            signal.alarm(int(LONGEST_S))
            sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123  progress is no news here
            work()
            code = 0
        finally:
            os._exit(code)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    return time.monotonic() - began, status == 0


def tell(run: Path, answer: Path) -> None:
    """Writes what evaluate and export make of a run: a digest, or the words of the refusal."""
    folder = RunFolder.open(run)
    log, _ = tiny_log(60, seed=1)
    digest = hashlib.sha256()
    try:
        evaluation = evaluate(folder, log, None)
        digest.update(evaluation.slates.numpy().tobytes())
        digest.update(repr(evaluation.tables).encode())
        digest.update(json.dumps(folder.facts, sort_keys=True).encode())
        artifact = export_run(run, answer.with_suffix(".gerank"), force=True)
        digest.update(json.dumps(artifact.manifest["utilities"], sort_keys=True).encode())
        for stage in STAGES:
            for name, tensor in read_checkpoint(folder.checkpoint(stage, "best"))["model"].items():
                digest.update(name.encode() + tensor.numpy().tobytes())
    except RunError as error:
        answer.write_text(f"refused: {error}")
    else:
        answer.write_text(digest.hexdigest())


def told(run: Path) -> str:
    """What `tell` says, from a process that ends before the next fork."""
    answer = run.with_suffix(".told")
    answer.unlink(missing_ok=True)
    ended = forked(lambda: tell(run, answer))[1]
    return answer.read_text() if ended else "a traceback"


def files(folder: Path) -> dict[Path, bytes]:
    """All that a folder holds."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def main(folder: Path, kills: int, seed: int) -> None:
    """Half of the kills hit a training and its resumes, half the resumes of a finished run."""
    draw = random.Random(seed)
    torch.set_num_threads(1)
    tiny_log(400)[0].write(folder / "log")
    config = tiny_config(folder / "log", reward=RANGED)
    log = ExposureLog.read(folder / "log")
    whole, run = folder / "whole", folder / "run"
    took, ended = forked(lambda: train(config, whole, log=log))
    expected = told(whole)
    faults = [] if ended and not expected.startswith("refused") else [f"no whole run: {expected}"]

    hits = 0
    while hits < (kills + 1) // 2:
        ended = forked(lambda: train(config, run, resume=True, log=log), draw.uniform(0, took))[1]
        if ended:  # too late: from the beginning
            shutil.rmtree(run)
            continue
        hits += 1
        said = told(run) if (run / "config.toml").exists() else "refused: there is no run yet"
        finished = (run / "config.toml").exists() and RunFolder.open(run).finished
        if said != expected if finished else not said.startswith("refused"):
            faults.append(f"after kill {hits}, finished = {finished}: {said}")
    if not forked(lambda: train(config, run, resume=True, log=log))[1]:
        faults.append("the killed run cannot be resumed")
    if (said := told(run)) != expected:
        faults.append(f"the resumed run is another one: {said}")

    content = files(run)
    for hit in range(kills // 2):
        forked(lambda: train(config, run, resume=True, log=log), draw.uniform(0, took / 4))
        if files(run) != content:
            faults.append(f"resume {hit} of the finished run, killed, left another one")
    sys.stdout.write(json.dumps({"kills": kills, "faults": faults}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
