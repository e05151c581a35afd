"""The job as a whole: what is left of it is found, done and counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from gerank.ranker import Ranker
from gerank.scoring.engine_choice import ScoringEngine
from gerank.scoring.errors import ScoringError
from gerank.scoring.job import ScoringJob, finished_parts, part_names, reserved
from gerank.scoring.part import PartResult
from gerank.scoring.processes import score_by_processes
from gerank.scoring.ray_cluster import LOCAL, score_by_ray
from gerank.scoring.scorer import file_digest
from gerank.unknown_features import UnknownFeatures


class Means(NamedTuple):
    """What a job is done by.

    Attributes:
        engine: Processes or Ray.
        workers: How many; None = one per core, of this machine or of the cluster.
        ray_address: `local` starts a Ray on this machine, `auto` finds one that runs.
    """

    engine: ScoringEngine = ScoringEngine.PROCESSES
    workers: int | None = None
    ray_address: str = LOCAL


class FolderResult(NamedTuple):
    """How a job went.

    Attributes:
        files: All files of slates.
        kept: The files that were there already.
        slates: Rows that were answered now.
        left_out: Rows that were not.
        busy_s, cpu_s: Seconds that workers spent on files, by the clock and by the processor.
    """

    files: int
    kept: int
    slates: int
    left_out: int
    busy_s: float
    cpu_s: float


def new_job(
    source: Path,
    target: Path,
    model: Path,
    unknown: UnknownFeatures = UnknownFeatures.REFUSE,
    skip_bad: bool = False,
) -> ScoringJob:
    """A job over absolute paths, whose artifact has been loaded once.

    Raises:
        ArtifactError: The artifact is refused.
    """
    Ranker.load(model)
    source, target, model = (path.absolute() for path in (source, target, model))
    return ScoringJob(source, target, model, file_digest(model), unknown, skip_bad)


def score_folder(
    job: ScoringJob,
    means: Means,
    overwrite: bool = False,
    watch: Callable[[int, int], None] = lambda done, files: None,
) -> FolderResult:
    """Writes a file of slates for every file of requests that has none yet.

    Args:
        job: The job.
        means: What it is done by.
        overwrite: Whether slates of another job that lie in the target are written anew.
        watch: Is told how many files are done, and of how many.

    Raises:
        ScoringError: A row cannot be answered and the job does not skip it, workers ended again
            and again, or the target holds what is not of this job. Files that are done stay, and
            the same job goes on with the others.
    """
    names = part_names(job)
    with reserved(job.target):
        finished = set(finished_parts(job, names, overwrite))
        waiting = [name for name in names if name not in finished]
        results = list[PartResult]()
        watch(len(finished), len(names))
        for done, result in enumerate(_results(job, waiting, means), start=1):
            if result.error:
                raise ScoringError(result.error)
            results.append(result)
            watch(len(finished) + done, len(names))
    slates = sum(result.slates for result in results)
    left_out = sum(result.left_out for result in results)
    if left_out and not slates and not finished:
        raise ScoringError(f"no row can be answered: {job.left_out_of(names[0]).parent}")
    busy_s = sum(result.busy_s for result in results)
    cpu_s = sum(result.cpu_s for result in results)
    return FolderResult(len(names), len(finished), slates, left_out, busy_s, cpu_s)


def _results(job: ScoringJob, parts: Sequence[str], means: Means) -> Iterator[PartResult]:
    if not parts:
        return iter(())
    if means.engine is ScoringEngine.RAY:
        return score_by_ray(job, parts, means.workers, means.ray_address)
    workers = means.workers or len(os.sched_getaffinity(0))
    return score_by_processes(job, parts, min(workers, len(parts)))
