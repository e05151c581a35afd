"""What must stay cheap to import: the package itself, and the command line up to its help."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.command import environment

HEAVY = {"torch", "numpy", "pyarrow", "duckdb", "grpc", "tensorboard", "nicegui", "matplotlib"}


def loaded_by(statement: str) -> set[str]:
    """The heavy packages that a fresh interpreter has after the statement."""
    code = f"{statement}\nimport sys\nprint(*{{name.split('.')[0] for name in sys.modules}})"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return HEAVY & set(result.stdout.split())


def test_the_client_costs_grpc_alone() -> None:
    assert loaded_by("import gerank.client") == {"grpc"}


@pytest.mark.parametrize("module", ["gerank", "gerank.version", "gerank.cli"])
def test_this_import_costs_no_heavy_package(module: str) -> None:
    assert loaded_by(f"import {module}") == set()


def test_pages_without_figures_need_no_plotting_library() -> None:
    assert "matplotlib" not in loaded_by("import gerank.report.inspection")
    assert "matplotlib" not in loaded_by("import gerank.compare.compare")
    assert "matplotlib" in loaded_by("import gerank.report.evaluation")


def test_the_ops_do_import_torch() -> None:
    assert "torch" in loaded_by("import gerank.ops")
