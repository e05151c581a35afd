"""The benchmark of verdicts at its small size: what it prints holds together."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"


@pytest.mark.timeout(600)
def test_the_quick_trust_benchmark_prints_runs_and_a_summary_as_numbers() -> None:
    command = [sys.executable, str(BENCHMARKS / "trust.py"), "--quick", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stderr
    run, *summary = json.loads(done.stdout)
    assert (run["log"], run["pages"], run["seeds"]) == ("deterministic", 500, 1)
    for name in ("logged", "true gain", "better, %", "judge says", "its lower bound", "greedy"):
        assert isinstance(run[name], float)
    assert 2 < run["logged"] < 4
    by_figure = {row["figure"]: row["value"] for row in summary}
    assert by_figure["runs"] == 1
    assert by_figure["verdict better, truly below the log"] == 0
