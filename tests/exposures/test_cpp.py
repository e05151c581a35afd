"""The C++ tests of this folder, each as one test of pytest."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.cpp_projects import built

SOURCES = sorted(Path(__file__).parent.glob("*_tests.cpp"))
NAMES = [name for path in SOURCES for name in re.findall(r"^TEST\((\w+)\)", path.read_text(), re.M)]


@pytest.fixture(scope="session")
def program() -> Path:
    return built(Path(__file__).parent, "exposure_tests") / "exposure_tests"


@pytest.mark.parametrize("name", NAMES)
def test_cpp(program: Path, name: str) -> None:
    run = subprocess.run([program, name], capture_output=True, text=True, timeout=60)
    assert run.returncode == 0, run.stderr
