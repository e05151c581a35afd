"""How a run came about, as RUN/about.json keeps it: code, machine, command and times.

Nothing of this has a part in what a run learns, and so nothing of it is in run.json, which is the
same for the same log and configuration.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from gerank.train.launch import Launch
from gerank.train.run_folder import RunError
from gerank.train.writing import write_text
from gerank.version import __version__

_FILE = "about.json"
_LONGEST_GIT_S = 10.0


@dataclass(frozen=True)
class Revision:
    """What git says of the folder of a configuration.

    Attributes:
        commit: The commit that is checked out.
        dirty: Whether a file that git knows differs from it.
    """

    commit: str
    dirty: bool

    @classmethod
    def of(cls, folder: Path) -> Self | None:
        """The revision of the folder; None where git or a repository is missing."""
        commit = _git(folder, "rev-parse", "--verify", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
        if commit is None or changed is None:
            return None
        return cls(commit, bool(changed))


@dataclass(frozen=True)
class Start:
    """One start of a training: the first of a run, or a resumption.

    Attributes:
        time: When, in UTC.
        command: The command line.
        folder: Where it was given.
        git: The revision of the configuration's folder; None where there is none.
        environment: Name -> version or size of what it runs on.
    """

    time: str
    command: tuple[str, ...]
    folder: str
    git: Revision | None
    environment: dict[str, str | int]

    @classmethod
    def now(cls, config_file: Path | None) -> Self:
        """This process; `config_file`: what the configuration was read from, where it was one."""
        git = None if config_file is None else Revision.of(config_file.resolve().parent)
        return cls(_now(), _command(), str(Path.cwd()), git, _environment())

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> Self:
        """The inverse of `dataclasses.asdict`."""
        git = document["git"]
        return cls(
            **document
            | {"command": tuple(document["command"]), "git": Revision(**git) if git else None}
        )


@dataclass(frozen=True)
class About:
    """The starts of a run and its end.

    Attributes:
        start: The first; None where it was not kept.
        resumed: The resumptions, in their order.
        ended: When training came to its end, in UTC; None = it has not.
    """

    start: Start | None
    resumed: tuple[Start, ...] = ()
    ended: str | None = None

    @classmethod
    def read(cls, run: Path) -> Self | None:
        """What the run kept; None where it kept nothing.

        Raises:
            RunError: The file is damaged.
        """
        path = run / _FILE
        if not path.exists():
            return None
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
            start = document["start"]
            return cls(
                Start.from_json(start) if start else None,
                tuple(map(Start.from_json, document["resumed"])),
                document["ended"],
            )
        except (ValueError, KeyError, TypeError) as error:
            raise RunError(f"{path} is damaged: {type(error).__name__}") from error

    @property
    def latest(self) -> Start | None:
        """The start that the run goes on from, or ended with."""
        return self.resumed[-1] if self.resumed else self.start


def note_start(run: Path, config_file: Path | None, *, is_new: bool) -> None:
    """Keeps that training begins, or that it goes on.

    Raises:
        OSError: The file cannot be written; it is named.
        RunError: It is damaged.
    """
    start = Start.now(config_file)
    if is_new:
        _write(run, About(start))
        return
    before = About.read(run) or About(None)
    _write(run, replace(before, resumed=(*before.resumed, start), ended=None))


def note_end(run: Path) -> None:
    """Keeps that training came to its end; errors are as of `note_start`."""
    _write(run, replace(About.read(run) or About(None), ended=_now()))


def processor() -> str:
    """The name of the processor, or of its architecture where the system tells no name."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


def _write(run: Path, about: About) -> None:
    write_text(run / _FILE, json.dumps(asdict(about), indent=2) + "\n")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _command() -> tuple[str, ...]:
    """As it was typed, but for the folder of the program."""
    program = Path(sys.argv[0])
    if program.name == "__main__.py":
        return "python", "-m", program.parent.name, *sys.argv[1:]
    return program.name, *sys.argv[1:]


def _environment() -> dict[str, str | int]:
    launch = Launch.of_this_process()
    return {
        "gerank": __version__,
        "torch": torch.__version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
        "system": platform.platform(),
        "processor": processor(),
        "cores": len(os.sched_getaffinity(0)),
        "threads": torch.get_num_threads(),
        "processes": 1 if launch is None else launch.processes,
    }


def _git(folder: Path, *arguments: str) -> str | None:
    """What git prints; None where there is no git, or it has no answer."""
    try:
        answer = subprocess.run(
            ["git", "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            check=True,
            timeout=_LONGEST_GIT_S,
            env=os.environ | {"GIT_OPTIONAL_LOCKS": "0"},
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
