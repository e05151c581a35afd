"""kill -9 of a worker in mid-job: no row is lost, none is there twice."""

from __future__ import annotations

import importlib.util
import subprocess
from pathlib import Path

import numpy as np
import pytest

from gerank.scoring.processes import MOST_TRIES
from tests.cli.command import done, start
from tests.data.request_cases import CONTRACT, Document, random_document
from tests.scoring.requests import slates_in, write_folder
from tests.scoring.running import descendants, kill, title, wait_until
from tests.server.stand_in import StandIn

FILES, ROWS = 40, 20
NAMES = [f"{number:02}.parquet" for number in range(FILES)]
HAS_RAY = importlib.util.find_spec("ray") is not None
ENGINES = [
    pytest.param(("--engine", "processes"), id="processes"),
    pytest.param(
        ("--engine", "ray"),
        id="ray",
        marks=pytest.mark.skipif(
            not HAS_RAY, reason="Ray is not installed: pip install gerank[ray]"
        ),
    ),
]


@pytest.fixture
def source(seed: int, tmp_path: Path) -> Path:
    rng = np.random.default_rng(seed)
    documents = [_document(rng, number) for number in range(FILES * ROWS)]
    parts = {name: documents[n * ROWS :][:ROWS] for n, name in enumerate(NAMES)}
    return write_folder(tmp_path / "pages", parts)


def _document(rng: np.random.Generator, number: int) -> Document:
    """A plain request; the stand-in model keeps no rules."""
    document = random_document(rng, CONTRACT)
    kept = {key: document[key] for key in ("user", "candidates", "slots")}
    return {"id": number} | kept


def spawned_by(job: subprocess.Popen[str]) -> list[int]:
    """Its worker processes."""
    return [pid for pid in descendants(job.pid) if "multiprocessing.spawn" in title(pid)]


def workers_of(job: subprocess.Popen[str], engine: str) -> list[int]:
    """The processes that hold a model, but for the job's own."""
    own = spawned_by(job) if engine == "processes" else descendants(job.pid)
    return [pid for pid in own if "libgerank_torchscript" in _maps(pid)]


def _maps(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return ""


@pytest.mark.timeout(400)
@pytest.mark.parametrize("engine", ENGINES)
def test_a_killed_worker_costs_no_row(
    engine: tuple[str, str], source: Path, tmp_path: Path
) -> None:
    model, target = StandIn(tmp_path), tmp_path / "slates"
    model.reset()
    files = ("--input", source, "--output", target, "--model", model.path)
    with start("rerank", *engine, "--workers", 2, *files) as job:
        try:
            wait_until(lambda: list(target.glob("*.parquet")), "a first file of slates")
            model.hold()
            model.reset()
            model.await_forwards(1, timeout_s=100)
            workers = workers_of(job, engine[1])
            assert workers
            for pid in workers:
                kill(pid)
        finally:
            model.release()
        out, err = job.communicate(timeout=200)
    assert job.returncode == 0, err
    assert f"{FILES * ROWS} slates in {FILES} files" in out
    assert sorted(path.name for path in target.iterdir()) == NAMES
    found = [row["id"] for name in NAMES for row in slates_in(target / name)]
    assert found == list(range(FILES * ROWS))


@pytest.mark.timeout(400)
def test_a_file_that_ends_its_workers_again_and_again_ends_the_job(
    source: Path, tmp_path: Path
) -> None:
    model, target = StandIn(tmp_path), tmp_path / "slates"
    for name in NAMES[1:]:
        (source / name).unlink()
    files = ("--input", source, "--output", target, "--model", model.path)
    killed = set[int]()
    with start("rerank", "--workers", 1, *files) as job:
        try:
            while len(killed) < MOST_TRIES:
                wait_until(lambda: set(spawned_by(job)) - killed, "a worker")
                model.hold()  # it has not loaded the model yet, which asks it once
                for pid in set(spawned_by(job)) - killed:
                    kill(pid)
                    killed.add(pid)
            _, err = job.communicate(timeout=200)
        finally:
            model.release()
    assert job.returncode == 1
    assert f"00.parquet: {MOST_TRIES} worker processes ended while they scored it" in err
    assert "exit code -9" in err
    assert not list(target.glob("*.parquet"))
    done("rerank", "--workers", 1, *files)
    assert [row["id"] for row in slates_in(target / NAMES[0])] == list(range(ROWS))
