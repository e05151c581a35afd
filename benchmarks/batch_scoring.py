"""A folder of Parquet files becomes slates: what a core keeps of the embedded engine's throughput.

The target is 0.8 per core. The engine alone answers requests that lie in its memory as queries, in
as many processes as the job has workers. The job reads Parquet, answers and writes Parquet; a page
costs what its worker spent on it, by the clock and by the processor, and the start of a job, which
does not depend on its length, stands by itself. Pages have 20 candidates with 64 floats, and 10
slots. Where other programs use the machine, the figures of the processor alone compare.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import statistics
import tempfile
import time
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from embedded import FLOATS, write_model
from harness import Row, options, publish

from gerank._engine import Query
from gerank.ranker import Ranker
from gerank.scoring.engine_choice import ScoringEngine
from gerank.scoring.score_folder import Means, new_job, score_folder

CANDIDATES = 20
AT_ONCE = 64  # pages of a call, as in the job
WORKERS = (1, 2)
NAMES = [f"x{index}" for index in range(FLOATS)]


class Size(NamedTuple):
    """Pages of a file, files, rounds."""

    pages: int
    files: int
    rounds: int


FULL, QUICK = Size(10_000, 4, 3), Size(4_000, 2, 1)


class Cost(NamedTuple):
    """Seconds of a page on its core, by the clock and by the processor."""

    busy_s: float
    cpu_s: float


def candidates_of(rng: np.random.Generator, pages: int) -> pa.StructArray:
    """The candidates of so many pages."""
    count = pages * CANDIDATES
    columns = {"id": pa.array([f"item{number}" for number in range(count)])}
    columns |= {name: pa.array(rng.normal(size=count).astype(np.float32)) for name in NAMES}
    columns["seller"] = pa.array(rng.integers(2**62, size=count))
    columns["fresh"] = pa.array(rng.integers(2, size=count))
    fields = [pa.field(name, column.type, nullable=False) for name, column in columns.items()]
    return pa.StructArray.from_arrays(list(columns.values()), fields=fields)


def table_of(rng: np.random.Generator, pages: int) -> pa.Table:
    """So many requests."""
    candidates = candidates_of(rng, pages)
    ends = pa.array(range(0, len(candidates) + 1, CANDIDATES), pa.int32())
    entry = pa.field("element", candidates.type, nullable=False)
    users = pa.StructArray.from_arrays([pa.array(rng.normal(size=pages))], ["age"])
    return pa.table(
        {
            "id": pa.array([f"page{number}" for number in range(pages)]),
            "user": users,
            "candidates": pa.ListArray.from_arrays(ends, candidates, pa.list_(entry)),
        }
    )


def write_folder(folder: Path, table: pa.Table, files: int) -> Path:
    """A folder of files that are links to one: the job reads each as a file of its own."""
    folder.mkdir()
    first = folder / "000.parquet"
    pq.write_table(table, first, row_group_size=2_000, use_dictionary=False)
    for number in range(1, files):
        os.link(first, folder / f"{number:03}.parquet")
    return folder


def queries_of(table: pa.Table) -> list[Query]:
    """The same requests in memory, the numbers of a page side by side."""
    candidates = table.column("candidates").combine_chunks().flatten()
    columns = {name: candidates.field(name) for name in (*NAMES, "seller", "fresh")}
    floats = np.stack([columns[name].to_numpy() for name in NAMES], axis=1)
    ids = np.stack([columns[name].to_numpy() for name in ("seller", "fresh")], axis=1)
    names = candidates.field("id").to_pylist()
    ages = table.column("user").combine_chunks().field("age").to_numpy()
    queries = []
    for page in range(len(table)):
        own = slice(page * CANDIDATES, (page + 1) * CANDIDATES)
        queries.append(
            Query(
                candidate_count=CANDIDATES,
                user_features=[(["age"], "f8", ages[page : page + 1].copy())],
                candidate_features=[
                    (NAMES, "f4", floats[own].copy()),
                    (["seller", "fresh"], "i8", ids[own].copy()),
                ],
                candidate_ids=names[own],
            )
        )
    return queries


def answer_in_memory(
    model: Path, file: Path, passes: int, together: Barrier, costs: object
) -> None:
    """What one process of the engine alone does; all begin at the same moment."""
    ranker = Ranker.load(model)
    queries = queries_of(pq.read_table(file))
    batches = [queries[start : start + AT_ONCE] for start in range(0, len(queries), AT_ONCE)]
    ranker.native.rank(batches[0])
    together.wait()
    clock, cpu = time.perf_counter(), time.process_time()
    for _ in range(passes):
        for batch in batches:
            ranker.native.rank(batch)
    costs.put(Cost(time.perf_counter() - clock, time.process_time() - cpu))  # type: ignore[attr-defined]


def engine_alone(model: Path, folder: Path, workers: int, size: Size) -> Cost:
    """Per page and core."""
    context = multiprocessing.get_context("spawn")
    passes = max(1, size.files // workers)
    together, costs = context.Barrier(workers), context.Queue()
    given = (model, folder / "000.parquet", passes, together, costs)
    processes = [context.Process(target=answer_in_memory, args=given) for _ in range(workers)]
    for process in processes:
        process.start()
    measured = [costs.get() for _ in processes]
    for process in processes:
        process.join()
    pages = passes * size.pages
    return Cost(
        statistics.mean(cost.busy_s for cost in measured) / pages,
        statistics.mean(cost.cpu_s for cost in measured) / pages,
    )


def job(model: Path, source: Path, means: Means) -> tuple[Cost, float]:
    """One job: what a page costs, and the seconds that the job takes beside its pages."""
    with tempfile.TemporaryDirectory() as target:
        begin = time.perf_counter()
        done = score_folder(new_job(source, Path(target), model), means)
        wall_s = time.perf_counter() - begin
    assert means.workers is not None
    cost = Cost(done.busy_s / done.slates, done.cpu_s / done.slates)
    return cost, wall_s - done.busy_s / min(means.workers, done.files)


def measure(model: Path, source: Path, size: Size) -> list[Row]:
    """The medians over rounds; in each round every way has its turn."""
    engines = [ScoringEngine.PROCESSES]
    engines += [ScoringEngine.RAY] if importlib.util.find_spec("ray") else []
    alone: dict[int, list[Cost]] = {workers: [] for workers in WORKERS}
    jobs: dict[tuple[str, int], list[tuple[Cost, float]]] = {}
    for _ in range(size.rounds):
        for workers in WORKERS:
            alone[workers].append(engine_alone(model, source, workers, size))
            for engine in engines:
                done = job(model, source, Means(engine, workers))
                jobs.setdefault((engine, workers), []).append(done)
    rows: list[Row] = []
    for workers in WORKERS:
        own = _median(alone[workers])
        rows.append(_row("engine alone", workers, own, own))
        for engine in engines:
            costs, starts = zip(*jobs[engine, workers], strict=True)
            row = _row(str(engine), workers, _median(list(costs)), own)
            rows.append(row | {"start_s": statistics.median(starts)})
    return rows


def _median(costs: list[Cost]) -> Cost:
    return Cost(*(statistics.median(seconds) for seconds in zip(*costs, strict=True)))


def _row(way: str, workers: int, cost: Cost, alone: Cost) -> Row:
    return {
        "way": way,
        "workers": workers,
        "pages_per_s_and_core": 1 / cost.busy_s,
        "of_engine": alone.busy_s / cost.busy_s,
        "cpu_us_per_page": 1e6 * cost.cpu_s,
        "of_engine_by_cpu": alone.cpu_s / cost.cpu_s,
    }


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    size = QUICK if arguments.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = root / "model.gerank"
        write_model(model)
        table = table_of(np.random.default_rng(0), size.pages)
        source = write_folder(root / "pages", table, size.files)
        rows = measure(model, source, size)
    publish("batch_scoring", rows, arguments)


if __name__ == "__main__":
    main()
