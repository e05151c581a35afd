"""The shim shows a missing barrier: each one that the kernels have is missed when it is gone."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.cuda.shim_build import ROOT
from tests.cuda.shim_kernels import Shim


@pytest.fixture(scope="module")
def showed(library: Shim) -> dict[str, bool]:
    script = [sys.executable, "-m", "tests.cuda.without_barrier", "5"]
    done = subprocess.run(script, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_no_order_of_threads_changes_the_kernels_as_they_are(showed: dict[str, bool]) -> None:
    assert not showed[""]


def test_without_any_one_barrier_of_a_block_an_answer_changes(showed: dict[str, bool]) -> None:
    assert len(showed) > 20
    assert [site for site, shows in showed.items() if site and not shows] == []
