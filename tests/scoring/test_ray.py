"""Ray does what processes do. The tests need Ray, which no other part of gerank does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from tests.cli.command import Result, done, run
from tests.scoring.requests import random_documents, write_folder

pytest.importorskip("ray", reason="Ray is not installed: pip install gerank[ray]")


@pytest.fixture
def source(seed: int, tmp_path: Path) -> Path:
    documents = random_documents(np.random.default_rng(seed), 60)
    parts = {"a.parquet": documents[:40], "day=2/b.parquet": documents[40:]}
    return write_folder(tmp_path / "pages", parts)


def by_ray(source: Path, target: Path, model: Path, *more: object) -> Result:
    files = ("--input", source, "--output", target, "--model", model)
    return run("rerank", "--engine", "ray", "--workers", 2, *files, *more, timeout_s=280)


@pytest.mark.timeout(300)
def test_ray_writes_what_processes_write(source: Path, model: Path, tmp_path: Path) -> None:
    plain, target = tmp_path / "plain", tmp_path / "slates"
    done("rerank", "--workers", 2, "--input", source, "--output", plain, "--model", model)
    result = by_ray(source, target, model)
    assert result.code == 0, result.err
    assert result.out == f"60 slates in 2 files: {target}\n"
    for name in ("a.parquet", "day=2/b.parquet"):
        assert pq.read_table(target / name).equals(pq.read_table(plain / name), check_metadata=True)


@pytest.mark.timeout(300)
def test_a_bad_row_ends_the_job_by_file_and_row(source: Path, model: Path, tmp_path: Path) -> None:
    documents = random_documents(np.random.default_rng(0), 30)
    documents[7]["slots"] = 99
    write_folder(source, {"c.parquet": documents})
    result = by_ray(source, tmp_path / "slates", model)
    assert result.code == 1
    assert f"error: {source}/c.parquet: row 7: slots: " in result.err
    assert not (tmp_path / "slates" / "c.parquet").exists()


@pytest.mark.timeout(300)
def test_a_cluster_that_is_not_there_is_named(source: Path, model: Path, tmp_path: Path) -> None:
    result = by_ray(source, tmp_path / "slates", model, "--ray-address", "127.0.0.1:1")
    assert result.code == 1
    assert "error: --ray-address: 127.0.0.1:1: " in result.err
