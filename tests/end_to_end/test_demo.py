"""The demo at a small size. The slowest test of all: it trains two models in a fresh process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from gerank.export.artifact import load_artifact
from tests.cli.command import Result, run


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo") / "new"


@pytest.fixture(scope="module")
def demo(folder: Path) -> Result:
    return run("demo", "--pages", 400, "--out", folder, timeout_s=600)


@pytest.mark.timeout(700)  # it waits for the fixture
def test_the_demo_exits_with_0(demo: Result) -> None:
    assert demo.code == 0, demo.err
    assert "Traceback" not in demo.err


def test_the_demo_prints_what_was_reached_by_every_judge(demo: Result) -> None:
    for word in (
        *("page AUC", "training evaluator", "judge (", "truth"),
        *("logged", "sort by score", "generator", "best of all slates"),
    ):
        assert word in demo.out
    assert (
        len(re.findall(r"^verdict: (?:better|not better|nothing to learn)$", demo.out, re.M)) == 2
    )
    assert "Every slate tried: M=8, N=4, 100 pages" in demo.out


def test_the_demo_serves_slates_with_the_trigger_pinned_and_sellers_spaced(demo: Result) -> None:
    """Two pages; the second half of each row is the slate with rules."""
    served = demo.out.split("serving on ")[1].split("server stopped")[0]
    triggers = re.findall(r"(item-\d+) pinned", served)
    assert len(triggers) == 2
    for part, trigger in zip(served.split("page-1-")[1:], triggers, strict=True):
        rows = re.findall(r"(item-\d+)\D+[-\d.]+\D+(item-\d+)\s*.\s*(seller-\d+)", part)
        assert len(rows) == 10
        assert rows[0][1] == trigger
        assert len({ruled for _, ruled, _ in rows}) == len({free for free, _, _ in rows}) == 10
        sellers = [seller for _, _, seller in rows]
        assert all(len(set(sellers[n : n + 3])) == 3 for n in range(8))


def test_the_demo_leaves_logs_runs_and_an_artifact(demo: Result, folder: Path) -> None:
    assert f"Everything lies in {folder}." in demo.out
    for part, run_name in (("main", "simulator"), ("small", "simulator_small")):
        for piece in ("train/exposures.parquet", "test/truth.npz", f"{run_name}/metrics.csv"):
            assert (folder / part / piece).is_file()
    assert load_artifact(folder / "demo.gerank").model_version in demo.out
