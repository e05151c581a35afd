"""Builds C++ projects against this gerank, as a user's program is built: with cmake alone."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import gerank

ROOT = Path(__file__).parents[1]


def tools() -> dict[str, str]:
    """PATH with the tools of this Python's environment first: a pip-installed cmake, say."""
    return {"PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}


def built(source: Path, name: str, *found_in: str) -> Path:
    """The build folder of a CMake project that finds gerank; kept, so that later runs are quick.

    What else it finds lies in the folders `found_in`. Processes that run tests side by side build
    it one after the other.
    """
    build = ROOT / "build" / name
    prefixes = ";".join([gerank.cmake_prefix_path, *found_in])
    build.mkdir(parents=True, exist_ok=True)
    with (build / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for command in (
            ["cmake", "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Release",
             f"-DCMAKE_PREFIX_PATH={prefixes}"],
            ["cmake", "--build", build],
        ):  # fmt: skip
            words = list(map(str, command))
            run = subprocess.run(words, capture_output=True, text=True, env=os.environ | tools())
            assert run.returncode == 0, run.stdout + run.stderr
    return build
