"""What a training run is, how it came about, and what lies in its folder, in words."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from gerank.train.about import About, Start
from gerank.train.config import UtilityConfig
from gerank.train.report import Cell, Table
from gerank.train.run_folder import RunFolder

PAGE = "run.html"
"""The file in a run's folder that says in words what the run is."""

_FILES = {
    PAGE: "says in words what this run is, with the curves of its training",
    "config.toml": "every setting, those that were left out with their defaults",
    "run.json": "schema and limits of the log, how users read, utilities, warnings, the verdict",
    "about.json": "command, code, machine and times of the training",
    "metrics.csv": "the figures of every epoch: stage, epoch, metric, value",
    "tensorboard": "the same figures, for `tensorboard --logdir`",
}
_CHECKPOINTS = {
    "evaluator.best.pt": "the evaluator, which the reward comes from",
    "judge.best.pt": "the judge, which no reward comes from and which gives the verdict",
    "judge-boosted.json": "the judge of another family",
    "clone.best.pt": "the logged-like policy: `gerank export --policy clone`",
    "generator.best.pt": "the generator: `gerank export`",
    "init.pt": "weights of the run that this one started from, until it is finished",
}
_OF_A_STAGE = {
    "best": "parameters of the best epoch of the stage {stage}",
    "last": "where the stage {stage} goes on with --resume",
}


def run_sentences(folder: RunFolder) -> list[str]:
    """What the run is, a sentence each."""
    config, facts = folder.config, folder.facts
    log = facts.get("log")
    pages = f"{log['pages']} pages of {log['people']} people" if log else "pages"
    wanted = ", ".join(_weighed(name, each) for name, each in config.reward.items())
    said = [
        f"A generator of slates of {config.data.slots} slots learnt from {pages} of the log "
        f"{config.data.log}.",
        f"Its reward is made of {wanted}.",
    ]
    if "reading" in facts:
        said.append(f"Held-out pages say that users read them by `{facts['reading']['chosen']}`.")
    if "init" in facts:
        said.append(f"It started from the weights of the run {facts['init']['run']}.")
    if not folder.finished:
        said.append("Training has not ended: `gerank train --resume` goes on.")
    return said


def facts_table(folder: RunFolder) -> Table:
    """Command, code, machine and times."""
    about = About.read(folder.path) or About(None)
    rows: list[tuple[Cell, ...]] = [("finished", "yes" if folder.finished else "no")]
    verdict = folder.facts.get("verdict")
    if verdict is not None:
        rows.append(("verdict", verdict["verdict"]))
    if about.start is not None:
        rows += [(name, value) for name, value in _begun(about.start)]
    rows += [("resumed", _resumed(start)) for start in about.resumed]
    if about.ended is not None:
        rows.append(("ended", _moment(about.ended)))
    if about.latest is not None:
        rows += [(name, str(value)) for name, value in about.latest.environment.items()]
    if "device" in folder.facts:
        rows.append(("device", folder.facts["device"]))
    return Table("How it came about", ("", "what"), tuple(rows))


def run_document(folder: RunFolder) -> dict[str, Any]:
    """All that is known of a run beside its figures, for programs; the schema is left out."""
    about = About.read(folder.path)
    known = {name: value for name, value in folder.facts.items() if name != "schema"}
    return {"run": str(folder.path), "about": asdict(about) if about else None} | known


def files_table(run: Path) -> Table:
    """What lies in the folder of the run, and what each file is."""
    rows = [(name, what) for name, what in _FILES.items() if (run / name).exists()]
    for file in sorted((run / "checkpoints").glob("*")):
        stage, _, which = file.name.removesuffix(".pt").rpartition(".")
        words = _OF_A_STAGE.get(which, "").format(stage=stage)
        rows.append((f"checkpoints/{file.name}", _CHECKPOINTS.get(file.name, words)))
    return Table("Files", ("file", "what it is"), tuple(rows))


def _weighed(name: str, utility: UtilityConfig) -> str:
    if utility.min == utility.max:
        return f"{name} (weight {utility.default:g})"
    return f"{name} (weight {utility.min:g} to {utility.max:g}, {utility.default:g} by default)"


def _begun(start: Start) -> Iterator[tuple[str, str]]:
    yield "command", shlex.join(start.command)
    yield "in the folder", start.folder
    yield "git", _git(start)
    yield "started", _moment(start.time)


def _git(start: Start) -> str:
    if start.git is None:
        return "no revision: the configuration lies in no repository, or there is no git"
    return f"{start.git.commit}{', with uncommitted changes' if start.git.dirty else ''}"


def _resumed(start: Start) -> str:
    versions = ", ".join(f"{name} {start.environment[name]}" for name in ("gerank", "torch"))
    return f"{_moment(start.time)}, {versions}; git: {_git(start)}"


def _moment(text: str) -> str:
    return f"{datetime.fromisoformat(text):%Y-%m-%d %H:%M:%S} UTC"
