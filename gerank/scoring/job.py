"""A job: a folder of requests, an artifact, and the folder that its slates go to.

The slates of a file are a file of the same name. Each one says what it was made of, so that a job
that was interrupted goes on where it stood, and never among the slates of another one.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from gerank.only_writer import FolderInUseError, only_writer
from gerank.scoring.errors import ScoringError
from gerank.unknown_features import UnknownFeatures

METADATA_KEY = b"gerank_scoring"
LEFT_OUT = "_left_out"
"""A folder among the slates: readers of Parquet folders pass over names that begin so."""

_DRAFTS = ".gerank-*"


@dataclass(frozen=True)
class ScoringJob:
    """What is asked for. Every worker gets it.

    Attributes:
        source: Folder of Parquet files, in folders of any depth.
        target: Folder of the slates.
        model: The artifact.
        digest: Its SHA-256.
        unknown: What becomes of features that it does not know.
        skip_bad: Whether rows that cannot be answered are left out and listed.
    """

    source: Path
    target: Path
    model: Path
    digest: str
    unknown: UnknownFeatures = UnknownFeatures.REFUSE
    skip_bad: bool = False

    def source_of(self, name: str) -> Path:
        """The requests of a part."""
        return self.source / name

    def target_of(self, name: str) -> Path:
        """The slates of a part."""
        return self.target / name

    def left_out_of(self, name: str) -> Path:
        """The list of a part's rows that were left out."""
        return self.target / LEFT_OUT / f"{name}.jsonl"

    def facts_of(self, name: str) -> dict[str, Any]:
        """What the slates of a part are made of, as their file tells it."""
        status = self.source_of(name).stat()
        return {
            "model": self.digest,
            "unknown_features": str(self.unknown),
            "input_bytes": status.st_size,
            "input_modified_ns": status.st_mtime_ns,
        }


def part_names(job: ScoringJob) -> list[str]:
    """The Parquet files of the source, as paths within it, in order.

    Raises:
        ScoringError: There are none, the target is the source or lies in it or the other way
            round, or holds Parquet files of another name.
    """
    source, target = job.source.resolve(), job.target.resolve()
    if target == source or target.is_relative_to(source) or source.is_relative_to(target):
        raise ScoringError(f"--output: {job.target} and {job.source} are not apart; name another")
    names = _parquet_files(job.source)
    if not names:
        raise ScoringError(f"--input: no file in {job.source} has a name *.parquet")
    for name in _parquet_files(job.target):
        if name not in set(names):
            raise ScoringError(
                f"--output: {job.target_of(name)} holds slates of no file of {job.source}; name "
                "another folder"
            )
    return names


def _parquet_files(folder: Path) -> list[str]:
    """Files in it whose names, and those of their folders, begin neither with `_` nor with `.`."""
    paths = (path.relative_to(folder) for path in folder.rglob("*.parquet"))
    return sorted(
        path.as_posix() for path in paths if not any(n.startswith(("_", ".")) for n in path.parts)
    )


def finished_parts(job: ScoringJob, names: list[str], overwrite: bool) -> list[str]:
    """The parts whose slates are there already.

    Args:
        job: The job.
        names: Its parts.
        overwrite: Whether slates of another job count as not there.

    Raises:
        ScoringError: Slates are of another model or of other requests, or rows of them were left
            out that this job shall not leave out.
    """
    finished = []
    for name in names:
        target = job.target_of(name)
        if not target.exists():
            continue
        difference = _difference(job, name)
        if not difference:
            finished.append(name)
        elif not overwrite:
            raise ScoringError(f"--output: {target} {difference}; --overwrite writes it anew")
    return finished


def _difference(job: ScoringJob, name: str) -> str:
    """Why the slates that are there are not those of this job; empty if they are."""
    try:
        told = (pq.read_metadata(job.target_of(name)).metadata or {}).get(METADATA_KEY)
    except (pa.ArrowInvalid, OSError) as error:
        return f"cannot be read ({error})"
    if told is None:
        return "was not written by gerank rerank"
    found, wanted = json.loads(told), job.facts_of(name)
    for key, value in wanted.items():
        if found.get(key) != value:
            return f"is of another job: {key} is {found.get(key)!r}, not {value!r}"
    if job.left_out_of(name).exists() and not job.skip_bad:
        return f"lacks rows ({job.left_out_of(name)}), and --skip-bad is not given"
    return ""


@contextmanager
def reserved(folder: Path) -> Iterator[None]:
    """Keeps other jobs out of a folder of slates, and clears away what killed workers began.

    Raises:
        ScoringError: Another job of this machine, or of the same file system, writes into it, or
            it is a file, or lies below one.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        there = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        raise ScoringError(f"--output: {folder}: {there} is no folder") from None
    try:
        with only_writer(folder):
            _clear(folder)
            yield
            _clear(folder)
    except FolderInUseError:
        raise ScoringError(f"--output: another job writes into {folder}") from None


def _clear(folder: Path) -> None:
    for draft in folder.rglob(_DRAFTS):
        draft.unlink(missing_ok=True)
