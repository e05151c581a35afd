"""Parts by worker processes of this machine; a part whose worker is killed goes to a new one."""

from __future__ import annotations

import os
import signal
import threading
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from multiprocessing.process import BaseProcess

import pyarrow as pa

from gerank.ranker import ArtifactError
from gerank.scoring.errors import ScoringError
from gerank.scoring.job import ScoringJob
from gerank.scoring.part import PartResult, score_part
from gerank.scoring.scorer import Scorer

MOST_TRIES = 3
"""So many workers may end while they score one part."""

_GRACE_S = 5.0


class _Worker:
    """A process that scores one part after the other.

    Attributes:
        connection: Gives parts and takes results; ready too when the process has ended.
        part: What it scores now.
    """

    def __init__(self, job: ScoringJob) -> None:
        context = get_context("spawn")
        self.connection, far_end = context.Pipe()
        self._process: BaseProcess = context.Process(target=_work, args=(far_end, job))
        self._process.start()
        far_end.close()  # so that the end of the process is the end of the connection
        self.part = ""

    def give(self, part: str) -> None:
        self.part = part
        with suppress(BrokenPipeError):  # it has ended, which whoever waits for it will see
            self.connection.send(part)

    def result(self) -> PartResult | None:
        """What it has to say; None if it has ended."""
        try:
            result: PartResult = self.connection.recv()
        except (EOFError, ConnectionResetError):
            return None
        return result

    def end(self) -> int | None:
        """Ends it, whatever it does, and returns its exit code."""
        self.connection.close()
        self._process.terminate()
        self._process.join(_GRACE_S)
        if self._process.exitcode is None:
            self._process.kill()
            self._process.join()
        return self._process.exitcode


def score_by_processes(job: ScoringJob, parts: Sequence[str], workers: int) -> Iterator[PartResult]:
    """Scores parts side by side; results come as they are ready.

    Args:
        job: The job.
        parts: What is left of it.
        workers: How many processes there are at a time.

    Raises:
        ScoringError: Workers ended `MOST_TRIES` times while they scored one part.
    """
    waiting, deaths = deque(parts), Counter[str]()
    running: list[_Worker] = []
    try:
        while waiting or running:
            while waiting and len(running) < workers:
                running.append(_Worker(job))
                running[-1].give(waiting.popleft())
            ready = wait_for([worker.connection for worker in running])
            for worker in [worker for worker in running if worker.connection in ready]:
                result = worker.result()
                if result is None or not waiting:
                    running.remove(worker)
                    code = worker.end()
                else:
                    worker.give(waiting.popleft())
                if result is not None:
                    yield result
                    continue
                deaths[worker.part] += 1
                _check_deaths(worker.part, deaths[worker.part], code)
                waiting.appendleft(worker.part)
    finally:
        for worker in running:
            worker.end()


def _check_deaths(part: str, deaths: int, code: int | None) -> None:
    if deaths >= MOST_TRIES:
        raise ScoringError(
            f"{part}: {MOST_TRIES} worker processes ended while they scored it, the last with exit "
            f"code {code}, as for want of memory; fewer workers may help, and the same command "
            "goes on"
        )


def _work(connection: Connection, job: ScoringJob) -> None:
    """What a worker does until its connection is closed or the process that started it ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one that started it ends it
    threading.Thread(target=_end_with_parent, daemon=True).start()
    prepare_worker()
    scorer: Scorer | None = None
    while True:
        try:
            part = connection.recv()
        except EOFError:
            return
        try:
            scorer = scorer or Scorer.load(job.model, job.digest, job.unknown)
        except (ArtifactError, ScoringError, OSError) as error:
            connection.send(PartResult(part, error=str(error)))
        else:
            connection.send(score_part(job, part, scorer))


def prepare_worker() -> None:
    """Keeps this process to one core: there are as many of them as cores are to be used."""
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[name] = "1"
    pa.set_cpu_count(1)


def _end_with_parent() -> None:
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)
