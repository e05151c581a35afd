"""The arrows between packages, and that the check of them can see a wrong one."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
_LINT = "from importlinter.cli import lint_imports; raise SystemExit(lint_imports(no_cache=True))"


def lint(tree: Path) -> subprocess.CompletedProcess[str]:
    """`lint-imports` on the packages of a source tree."""
    path = os.pathsep.join([str(tree), str(tree / "server")])
    return subprocess.run(
        [sys.executable, "-c", _LINT],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": path, "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python sources alone."""
    tree = tmp_path_factory.mktemp("tree")
    shutil.copy(ROOT / "pyproject.toml", tree)
    others = shutil.ignore_patterns("__pycache__", "lib", "include", "*.so")
    shutil.copytree(ROOT / "gerank", tree / "gerank", ignore=others)
    shutil.copytree(ROOT / "server", tree / "server", ignore=others)
    return tree


def test_the_arrows_run_one_way() -> None:
    result = lint(ROOT)
    assert result.returncode == 0, result.stdout
    assert "0 broken" in result.stdout


@pytest.mark.parametrize(
    ("module", "line", "contract"),
    [
        ("gerank/ops/packing.py", "import gerank.data.schema", "Arrows run one way"),
        ("gerank/data/schema.py", "import gerank.wire.query", "Arrows run one way"),
        ("gerank/nn/layers.py", "import gerank.train.config", "Arrows run one way"),
        ("gerank/train/config.py", "import gerank.cli.errors", "Arrows run one way"),
        ("gerank/train/report.py", "import gerank.report.page", "Arrows run one way"),
        ("gerank/scoring/job.py", "import gerank.cli.errors", "Arrows run one way"),
        ("gerank/export/golden.py", "import gerank_server", "Arrows run one way"),
        ("gerank/rl/shapes.py", "import gerank.data.batch", "rl and metrics know tensors only"),
        ("gerank/metrics/auc.py", "import gerank.train.pages", "rl and metrics know tensors only"),
        ("gerank/nn/decoder.py", "import gerank.reference.rules", "The reference is for tests"),
        ("server/gerank_server/errors.py", "import gerank.reference", "The reference is for tests"),
        (
            "gerank/data/log_columns.py",
            "import gerank.data.exposure_log",
            "Nothing imports in a ci",
        ),
    ],
)
def test_a_wrong_arrow_is_seen(copy: Path, module: str, line: str, contract: str) -> None:
    path = copy / module
    sound = path.read_text()
    path.write_text(f"{sound}\n{line}\n")
    try:
        result = lint(copy)
    finally:
        path.write_text(sound)
    assert result.returncode == 1
    broken = [row for row in result.stdout.splitlines() if " BROKEN" in row]
    assert any(contract in row for row in broken), result.stdout
