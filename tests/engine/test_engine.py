"""The C++ tests of this folder, each as one test of pytest."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

SOURCES = sorted(Path(__file__).parent.glob("*_tests.cpp"))
NAMES = [name for path in SOURCES for name in re.findall(r"^TEST\((\w+)\)", path.read_text(), re.M)]


@pytest.mark.parametrize("name", NAMES)
def test_cpp(program: Path, artifact: Path, name: str) -> None:
    known = os.environ | {"GERANK_TEST_ARTIFACT": str(artifact)}
    run = subprocess.run([program, name], capture_output=True, text=True, timeout=60, env=known)
    assert run.returncode == 0, run.stderr


def test_a_failing_check_is_seen(program: Path) -> None:
    run = subprocess.run([program, "no_such_test"], capture_output=True, text=True, timeout=60)
    assert run.returncode == 1 and "no such test" in run.stderr
