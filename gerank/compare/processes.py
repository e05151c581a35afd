"""Cells by several processes at once: each has one thread, so that figures do not depend on how
many there are.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from pathlib import Path

import torch

from gerank.compare.cells import Cell, CellError, cells_of, needs
from gerank.compare.config import CompareConfig
from gerank.compare.work import do
from gerank.compare.workspace import Workspace
from gerank.train.writing import write_text

_SCRATCH = "scratch"
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")

_space: Workspace | None = None
"""What a worker process was started for."""


def run_cells(
    config: CompareConfig, test: Path, out: Path, watch: Callable[[Cell, bool], None]
) -> None:
    """Does all cells that have no file yet.

    Args:
        config: The comparison.
        test: Folder of the test log.
        out: Folder of the comparison.
        watch: Is told of every cell that begins (False) and that is done (True), those of an
            earlier call first.

    Raises:
        CellError: The work of a cell failed, or its process ended.
    """
    waiting = list(cells_of(config))
    done = {cell for cell in waiting if cell.file(out).exists()}
    for cell in waiting:
        if cell in done:
            watch(cell, True)
    waiting = [cell for cell in waiting if cell not in done]
    if not waiting:
        return
    workers = min(config.workers or len(os.sched_getaffinity(0)), len(waiting))
    shutil.rmtree(out / _SCRATCH, ignore_errors=True)  # of workers that were killed
    context = get_context("spawn")
    watched, lifeline = context.Pipe(duplex=False)
    given = (watched, config, test, out)
    try:
        with (
            _one_thread_each(),
            ProcessPoolExecutor(workers, context, initializer=_start, initargs=given) as pool,
        ):
            try:
                _work_through(pool, workers, config, out, waiting, done, watch)
            finally:
                lifeline.close()  # after a failure nobody waits for what else is running
    finally:
        shutil.rmtree(out / _SCRATCH, ignore_errors=True)


def _work_through(
    pool: ProcessPoolExecutor,
    workers: int,
    config: CompareConfig,
    out: Path,
    waiting: list[Cell],
    done: set[Cell],
    watch: Callable[[Cell, bool], None],
) -> None:
    running: dict[Future[None], Cell] = {}
    while waiting or running:
        ready = (c for c in waiting if done.issuperset(needs(config, c)))
        for cell in list(ready)[: workers - len(running)]:
            waiting.remove(cell)
            watch(cell, False)
            running[pool.submit(_do, cell)] = cell
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            _raise_failure(future, running, out)
            cell = running.pop(future)
            done.add(cell)
            watch(cell, True)


def _raise_failure(future: Future[None], running: dict[Future[None], Cell], out: Path) -> None:
    error, cell = future.exception(), running[future]
    if isinstance(error, BrokenProcessPool):
        worked = "; ".join(map(str, running.values()))
        raise CellError(
            f"a worker process ended, as for want of memory, while this was worked on: {worked}. "
            "Fewer workers may help, and --resume goes on"
        ) from error
    if isinstance(error, (ValueError, ImportError, OSError)):
        raise CellError(f"{cell}: {error}") from error
    if error is not None:
        told = out / "log" / "failure.txt"
        write_text(told, "".join(traceback.format_exception(error)))
        raise CellError(f"{cell}: {type(error).__name__}: {error} (more in {told})") from error


def _start(watched: Connection, config: CompareConfig, test: Path, out: Path) -> None:
    """Prepares a worker, which ends when the other end of `watched` is closed.

    What training tells goes to a file, for the terminal is the table's; temporary files lie where
    they are found again after a kill.
    """
    global _space
    threading.Thread(target=_end_with, args=(watched,), daemon=True).start()
    torch.set_num_threads(1)
    (out / _SCRATCH).mkdir(parents=True, exist_ok=True)
    tempfile.tempdir = str(out / _SCRATCH)
    told = out / "log" / f"worker-{os.getpid()}.txt"
    told.parent.mkdir(parents=True, exist_ok=True)
    sys.stderr = told.open("a", encoding="utf-8", buffering=1)
    _space = Workspace.read(config, test, out)


def _end_with(watched: Connection) -> None:
    """Ends this process when the one that started it gives up or is killed, in whatever it does.

    A worker that waits for work would wait forever, as it holds both ends of the pool's own pipe.
    """
    wait_for([watched])
    os._exit(1)


def _do(cell: Cell) -> None:
    if _space is None:
        raise RuntimeError("a cell was given to a process that was not prepared")
    do(cell, _space)


@contextmanager
def _one_thread_each() -> Iterator[None]:
    """Libraries read these variables when they are loaded, in the processes that are started."""
    before = {name: os.environ.get(name) for name in _THREADS}
    os.environ.update(dict.fromkeys(_THREADS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
