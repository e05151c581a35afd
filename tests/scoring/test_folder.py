"""A job over a folder: one file out for each file in, once, whatever ends it in between."""

from __future__ import annotations

import json
import multiprocessing
import re
from pathlib import Path

import numpy as np
import pytest

from gerank.scoring.errors import ScoringError
from gerank.scoring.job import ScoringJob, reserved
from gerank.scoring.score_folder import FolderResult, Means, new_job, score_folder
from tests.data.request_cases import Document
from tests.scoring.requests import (
    answers,
    assert_same_answers,
    random_documents,
    slates_in,
    write_folder,
)

ONE = Means(workers=1)
Parts = dict[str, list[Document]]


@pytest.fixture
def parts(seed: int) -> Parts:
    """Files of several sizes, one in a folder of its own, one without a row."""
    documents = random_documents(np.random.default_rng(seed), 90)
    return {
        "a.parquet": documents[:70],
        "b.parquet": documents[70:71],
        "day=2/c.parquet": documents[71:],
        "empty.parquet": [],
    }


@pytest.fixture
def source(parts: Parts, tmp_path: Path) -> Path:
    return write_folder(tmp_path / "pages", parts, rows_of_group=16)


@pytest.fixture
def job(source: Path, model: Path, tmp_path: Path) -> ScoringJob:
    return new_job(source, tmp_path / "slates", model)


def spoil(source: Path, parts: Parts, name: str, row: int) -> None:
    parts[name][row]["slots"] = 99
    write_folder(source, parts)


def counts(done: FolderResult) -> dict[str, float]:
    """What is counted, without seconds."""
    return {name: n for name, n in done._asdict().items() if not name.endswith("_s")}


def modified(folder: Path) -> dict[str, int]:
    return {str(p.relative_to(folder)): p.stat().st_mtime_ns for p in folder.rglob("*.parquet")}


def test_each_file_has_its_slates_in_the_order_of_its_rows(
    job: ScoringJob, parts: Parts, model: Path
) -> None:
    told: list[tuple[int, int]] = []
    done = score_folder(job, ONE, watch=lambda *files: told.append(files))
    assert counts(done) == {"files": 4, "kept": 0, "slates": 90, "left_out": 0}
    assert done.cpu_s > 0
    assert done.busy_s > 0
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]
    for name, documents in parts.items():
        assert_same_answers(slates_in(job.target_of(name)), answers(model, documents))
    assert {path.name for path in job.target.rglob("*") if path.is_file()} == {
        *("a.parquet", "b.parquet", "c.parquet", "empty.parquet")
    }


def test_a_job_goes_on_where_it_stood(job: ScoringJob) -> None:
    score_folder(job, ONE)
    before = modified(job.target)
    job.target_of("b.parquet").unlink()
    (job.target / ".gerank-0123").write_text("what a killed worker left")
    done = score_folder(job, ONE)
    assert counts(done) == {"files": 4, "kept": 3, "slates": 1, "left_out": 0}
    after = modified(job.target)
    assert {name for name in after if after[name] != before[name]} == {"b.parquet"}
    assert not list(job.target.glob(".*"))


def test_slates_of_another_model_are_refused_or_written_anew(
    job: ScoringJob, source: Path, other_model: Path, parts: Parts
) -> None:
    score_folder(job, ONE)
    other = new_job(source, job.target, other_model)
    before = modified(job.target)
    with pytest.raises(
        ScoringError, match=r"a\.parquet is of another job: model is '[0-9a-f]{64}'"
    ):
        score_folder(other, ONE)
    assert modified(job.target) == before
    assert score_folder(other, ONE, overwrite=True).slates == 90
    wanted = answers(other_model, parts["a.parquet"])
    assert_same_answers(slates_in(job.target_of("a.parquet")), wanted)


def test_slates_of_requests_that_have_changed_are_refused(
    job: ScoringJob, source: Path, parts: Parts
) -> None:
    score_folder(job, ONE)
    parts["b.parquet"] *= 2
    write_folder(source, {"b.parquet": parts["b.parquet"]})
    with pytest.raises(ScoringError, match=r"b\.parquet is of another job: input_"):
        score_folder(job, ONE)


def test_a_bad_row_ends_the_job_by_file_and_row(
    job: ScoringJob, source: Path, parts: Parts
) -> None:
    spoil(source, parts, "day=2/c.parquet", 11)
    with pytest.raises(ScoringError, match=r"day=2/c\.parquet: row 11: slots: .*got 99"):
        score_folder(job, ONE)
    assert job.target_of("a.parquet").exists()
    assert not job.target_of("day=2/c.parquet").exists()


def test_bad_rows_are_left_out_and_listed(source: Path, model: Path, parts: Parts) -> None:
    job = new_job(source, source.parent / "slates", model, skip_bad=True)
    spoil(source, parts, "day=2/c.parquet", 11)
    done = score_folder(job, ONE)
    assert counts(done) == {"files": 4, "kept": 0, "slates": 89, "left_out": 1}
    [line] = job.left_out_of("day=2/c.parquet").read_text().splitlines()
    assert json.loads(line)["row"] == 11
    assert "slots" in json.loads(line)["reason"]
    kept = parts["day=2/c.parquet"][:11] + parts["day=2/c.parquet"][12:]
    found = slates_in(job.target_of("day=2/c.parquet"))
    assert_same_answers(found, answers(model, kept))
    strict = new_job(source, job.target, model)
    with pytest.raises(ScoringError, match=r"c\.parquet lacks rows .*--skip-bad is not given"):
        score_folder(strict, ONE)


def test_a_folder_that_holds_other_slates_is_refused(job: ScoringJob) -> None:
    job.target.mkdir()
    (job.target / "z.parquet").write_bytes(b"")
    with pytest.raises(ScoringError, match=r"z\.parquet holds slates of no file"):
        score_folder(job, ONE)


@pytest.mark.parametrize("place", [".", "slates", ".."])
def test_slates_do_not_go_among_the_requests(source: Path, model: Path, place: str) -> None:
    job = new_job(source, (source / place).resolve(), model)
    with pytest.raises(ScoringError, match="are not apart"):
        score_folder(job, ONE)


def test_a_file_that_is_no_parquet_is_named(job: ScoringJob, source: Path) -> None:
    (source / "b.parquet").write_text("id,candidates\n")
    with pytest.raises(ScoringError, match=r"b\.parquet: "):
        score_folder(job, ONE)


@pytest.mark.parametrize("skip_bad", [False, True])
def test_a_file_with_a_damaged_page_is_named_and_not_the_slates(
    source: Path, model: Path, skip_bad: bool
) -> None:
    path = source / "a.parquet"
    content = bytearray(path.read_bytes())
    middle = range(len(content) // 3, 2 * len(content) // 3)
    content[middle.start : middle.stop] = b"\xff" * len(middle)
    path.write_bytes(content)
    job = new_job(source, source.parent / "slates", model, skip_bad=skip_bad)
    with pytest.raises(ScoringError) as caught:
        score_folder(job, ONE)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert str(job.target) not in message and "\n" not in message
    assert not job.target_of("a.parquet").exists()


@pytest.mark.parametrize("below", [".", "deeper/slates"])
def test_a_file_is_no_folder_for_slates(
    source: Path, model: Path, tmp_path: Path, below: str
) -> None:
    file = tmp_path / "file"
    file.write_text("kept")
    job = new_job(source, file / below, model)
    message = f"--output: {job.target}: {file} is no folder"
    with pytest.raises(ScoringError, match=f"^{re.escape(message)}$"):
        score_folder(job, ONE)
    assert file.read_text() == "kept"


def _hold(folder: Path, held: object, done: object) -> None:
    with reserved(folder):
        held.set()  # type: ignore[attr-defined]
        done.wait(60)  # type: ignore[attr-defined]


def test_two_jobs_do_not_write_into_one_folder(job: ScoringJob) -> None:
    context = multiprocessing.get_context("spawn")
    held, done = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(job.target, held, done))
    other.start()
    try:
        assert held.wait(60)
        with pytest.raises(ScoringError, match=f"another job writes into {job.target}"):
            score_folder(job, ONE)
    finally:
        done.set()
        other.join()
    assert score_folder(job, ONE).slates == 90


def test_an_artifact_that_is_exchanged_meanwhile_is_refused(
    source: Path, model: Path, other_model: Path, tmp_path: Path
) -> None:
    path = tmp_path / "model.gerank"
    path.write_bytes(model.read_bytes())
    job = new_job(source, tmp_path / "slates", path)
    _copy(other_model, tmp_path).replace(path)
    with pytest.raises(ScoringError, match=r"SHA-256 was .* when the job began, and is"):
        score_folder(job, ONE)


def _copy(model: Path, folder: Path) -> Path:
    copy = folder / "copy.gerank"
    copy.write_bytes(model.read_bytes())
    return copy
