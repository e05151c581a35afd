"""Parts by Ray Data: on a cluster, or on a Ray of this machine that ends with the job."""

from __future__ import annotations

import hashlib
import importlib
import logging
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.ranker import ArtifactError
from gerank.scoring.errors import ScoringError
from gerank.scoring.job import ScoringJob
from gerank.scoring.part import PartResult, score_part
from gerank.scoring.processes import MOST_TRIES, prepare_worker
from gerank.scoring.scorer import Scorer

LOCAL = "local"
_STORE_BYTES = 80 << 20  # Ray's least is 75 MB: it holds names and counts, no rows
_REACHED_S = 5.0
_FIELDS = PartResult._fields


class PartScorer:
    """What an actor of Ray holds: one loaded artifact.

    Args:
        job: The job.
    """

    def __init__(self, job: ScoringJob) -> None:
        prepare_worker()
        self._job = job
        self._scorer: Scorer | None = None

    def __call__(self, batch: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Scores the parts that `batch` names."""
        results = [self._score(str(name)) for name in batch["name"]]
        return {
            field: np.array([getattr(result, field) for result in results]) for field in _FIELDS
        }

    def _score(self, name: str) -> PartResult:
        job = self._job
        tries = Tries(job.target_of(name))
        if not tries.begin():
            reason = f"{MOST_TRIES} workers ended while they scored it, as for want of memory"
            return PartResult(name, error=f"{name}: {reason}; the same command goes on")
        try:
            self._scorer = self._scorer or Scorer.load(job.model, job.digest, job.unknown)
            return score_part(job, name, self._scorer)
        except (ArtifactError, ScoringError, OSError) as error:
            return PartResult(name, error=str(error))
        finally:
            tries.end()


class Tries:
    """Marks of the workers that began a part and did not end it: Ray itself tries for ever.

    The marks lie beside the slates, where every node sees them and the job clears them away.

    Args:
        target: The slates of the part.
    """

    def __init__(self, target: Path) -> None:
        key = hashlib.sha256(target.name.encode()).hexdigest()[:12]
        self._marks = [target.with_name(f".gerank-try-{key}-{n}") for n in range(MOST_TRIES)]

    def begin(self) -> bool:
        """Leaves a mark; False where all are taken."""
        free = next((mark for mark in self._marks if not mark.exists()), None)
        if free is None:
            return False
        free.parent.mkdir(parents=True, exist_ok=True)
        free.touch()
        return True

    def end(self) -> None:
        """Takes the marks away."""
        for mark in self._marks:
            mark.unlink(missing_ok=True)


def score_by_ray(
    job: ScoringJob, parts: Sequence[str], workers: int | None, address: str
) -> Iterator[PartResult]:
    """Scores parts side by side; results come as they are ready.

    Args:
        job: The job, whose paths every node of the cluster reaches.
        parts: What is left of it.
        workers: How many actors there are, each with a core; None = as many as the
            cluster has cores.
        address: `local`, `auto` or that of a cluster.

    Raises:
        ScoringError: Ray is not installed, the cluster is not reached, or actors ended while they
            scored one part `MOST_TRIES` times.
    """
    ray = _ray()
    with _connected(ray, address, workers or len(os.sched_getaffinity(0))):
        actors = min(workers or int(ray.cluster_resources().get("CPU", 1)), len(parts))
        names = ray.data.from_items(
            [{"name": name} for name in parts], override_num_blocks=len(parts)
        )
        results = names.map_batches(
            PartScorer,
            batch_size=1,
            fn_constructor_args=(job,),
            compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=1),
            num_cpus=1,
        )
        try:
            for row in results.iter_rows():
                yield PartResult(*(_plain(row[field]) for field in _FIELDS))
        except ray.exceptions.RayError as error:
            raise ScoringError(f"--engine ray: {_first_line(error)}") from error


def _ray() -> Any:
    """The package, which has no types where it is not installed."""
    try:
        importlib.import_module("ray.data")
    except ModuleNotFoundError as error:
        raise ScoringError(
            f"--engine ray: needs Ray ({error}); pip install 'gerank[ray]'"
        ) from None
    return importlib.import_module("ray")


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def _expect_somebody(address: str) -> None:
    """Raises ScoringError where nobody listens: Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():  # such as `auto`
        return
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_REACHED_S).close()
    except (OSError, OverflowError) as error:
        raise ScoringError(f"--ray-address: {address}: {error}") from error


@contextmanager
def _connected(ray: Any, address: str, cores: int) -> Iterator[None]:
    """A connection to a cluster; `local` starts a Ray of so many cores, on the loopback alone."""
    if ray.is_initialized():  # by a program that uses this as a library
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    quiet: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    try:
        if address == LOCAL:
            own = {"num_cpus": cores, "object_store_memory": _STORE_BYTES}
            ray.init(address, include_dashboard=False, _node_ip_address="127.0.0.1", **own, **quiet)
        else:
            _expect_somebody(address)
            ray.init(address, **quiet)
    except ScoringError:
        raise
    except Exception as error:  # Ray raises plain ones too, as where a node starts too slowly
        raise ScoringError(f"--ray-address: {address}: {_first_line(error)}") from error
    try:
        ray.data.DataContext.get_current().enable_progress_bars = False
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        yield
    finally:
        ray.shutdown()
