"""Programs that torchrun starts, several processes each, on this machine alone."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LONGEST_S = 500


def command(processes: int, *program: str, restarts: int = 0) -> list[str]:
    """The command line; `program` as Python's own, `-m` and all."""
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    sizes = ["--nproc-per-node", str(processes), "--max-restarts", str(restarts)]
    return [*launch, *sizes, *program]


def environment(*paths: Path) -> dict[str, str]:
    """One thread a process, the loopback device, and `paths` first on Python's path.

    A process that aborts tells where its threads were.
    """
    python_path = os.pathsep.join(map(str, [*paths, ROOT, ROOT / "server"]))
    own = {"PYTHONPATH": python_path, "OMP_NUM_THREADS": "1", "GLOO_SOCKET_IFNAME": "lo"}
    return os.environ | own | {"PYTHONFAULTHANDLER": "1"}


def torchrun(
    processes: int, *program: str, restarts: int = 0, paths: tuple[Path, ...] = ()
) -> subprocess.CompletedProcess[str]:
    """Runs a program to its end; what it said is in the answer."""
    return subprocess.run(
        command(processes, *program, restarts=restarts),
        cwd=ROOT,
        env=environment(*paths),
        capture_output=True,
        text=True,
        timeout=LONGEST_S,
        check=False,
    )
