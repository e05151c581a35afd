"""Runs `gerank` in this process, with all that a shell would see; or in one of its own."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from gerank.cli import main

ROOT = Path(__file__).resolve().parents[2]


class Result(NamedTuple):
    """What a command leaves behind. `code` is its exit code."""

    code: int
    out: str
    err: str


def gerank(*arguments: object) -> Result:
    """Any exception but SystemExit is a bug of the command, and raised."""
    out, err = io.StringIO(), io.StringIO()
    argv = ["gerank", *map(str, arguments)]
    with (
        patch.object(sys, "argv", argv),
        patch.dict(os.environ, {"COLUMNS": "200"}),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        code: object = 0
        try:
            main()
        except SystemExit as end:
            code = end.code
    return Result(int(str(code or 0)), out.getvalue(), err.getvalue())


def done(*arguments: object) -> str:
    """Standard output of a command that must succeed."""
    result = gerank(*arguments)
    assert result.code == 0, result.err
    return result.out


def environment() -> dict[str, str]:
    """Returns an environment in which a process finds this gerank, installed or not.

    Such a process also leaves others room: OpenMP gets one thread.
    """
    paths = [str(ROOT), str(ROOT / "server"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def start(*arguments: object) -> subprocess.Popen[str]:
    """`python -m gerank`, in the background."""
    return subprocess.Popen(
        [sys.executable, "-m", "gerank", *map(str, arguments)],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def run(*arguments: object, timeout_s: float = 120) -> Result:
    """`python -m gerank`, to its end."""
    with start(*arguments) as process:
        out, err = process.communicate(timeout=timeout_s)
    return Result(process.returncode, out, err)
