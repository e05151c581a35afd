"""kill -9 at random moments: GERANK_TEST_KILLS says how many, 4 by default."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
KILLS = int(os.environ.get("GERANK_TEST_KILLS", "4"))


def test_a_killed_run_never_evaluates_or_exports_something_else_than_before(
    tmp_path: Path, seed: int
) -> None:
    paths = os.pathsep.join([str(ROOT), str(ROOT / "server")])
    program = [sys.executable, "-m", "tests.train.kill_trainings"]
    ended = subprocess.run(
        [*program, str(tmp_path), str(KILLS), str(seed)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120 + 20 * KILLS,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    assert json.loads(ended.stdout.splitlines()[-1]) == {"kills": KILLS, "faults": []}
