"""A folder of Parquet files becomes slates: what a core keeps of the embedded engine's throughput.

The target is 0.8 per core. The engine alone answers requests that lie in its memory as queries, in
as many processes as the job has workers. The job reads Parquet, answers and writes Parquet; its
pages per second come from two folders, one with more files than the other, so that what happens
once in a job, however long it is, does not count as work on pages. Pages have 20 candidates with 64
floats, and 10 slots.
"""

from __future__ import annotations

import importlib.util
import multiprocessing
import os
import resource
import statistics
import subprocess
import sys
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

ROOT = Path(__file__).parents[1]
CANDIDATES = 20
AT_ONCE = 64  # pages of a call, as in the job
WORKERS = (1, 2)
NAMES = [f"x{index}" for index in range(FLOATS)]


class Size(NamedTuple):
    """Pages of a file, files of the small folder and of the large one, rounds."""

    pages: int
    few: int
    many: int
    rounds: int


FULL, QUICK = Size(10_000, 2, 8, 5), Size(2_000, 2, 4, 1)


class Cost(NamedTuple):
    """Seconds of a clock, and of all processors that worked."""

    wall_s: float
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
    wall, cpu = time.perf_counter(), time.process_time()
    for _ in range(passes):
        for batch in batches:
            ranker.native.rank(batch)
    costs.put(Cost(time.perf_counter() - wall, time.process_time() - cpu))  # type: ignore[attr-defined]


def engine_alone(model: Path, folder: Path, workers: int, size: Size) -> Cost:
    """Per page and core."""
    context = multiprocessing.get_context("spawn")
    passes = max(1, (size.many - size.few) // workers)
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
        statistics.mean(cost.wall_s for cost in measured) / pages,
        statistics.mean(cost.cpu_s for cost in measured) / pages,
    )


def job(model: Path, source: Path, engine: str, workers: int) -> Cost:
    """One job in a process of its own, from its start to its end."""
    words = ("rerank", "--engine", engine, "--workers", str(workers), "--model", str(model))
    with tempfile.TemporaryDirectory() as target:
        files = ("--input", str(source), "--output", target)
        command = [sys.executable, "-m", "gerank", *words, *files]
        wall, cpu = time.perf_counter(), _children_s()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL, cwd=ROOT)
        return Cost(time.perf_counter() - wall, _children_s() - cpu)


def _children_s() -> float:
    """Processor time of all processes that have ended and were waited for."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def per_page(small: Cost, large: Cost, size: Size, workers: int) -> tuple[Cost, float]:
    """What a page more costs per core, and the seconds of a job without pages."""
    more = (size.many - size.few) * size.pages
    wall = (large.wall_s - small.wall_s) / more
    cpu = (large.cpu_s - small.cpu_s) / more
    return Cost(wall * workers, cpu), small.wall_s - wall * size.few * size.pages


def measure(model: Path, few: Path, many: Path, size: Size) -> list[Row]:
    """The medians over rounds; in each round every way has its turn."""
    engines = ["processes"] + (["ray"] if importlib.util.find_spec("ray") else [])
    alone: dict[int, list[Cost]] = {workers: [] for workers in WORKERS}
    jobs: dict[tuple[str, int], list[tuple[Cost, Cost]]] = {}
    for _ in range(size.rounds):
        for workers in WORKERS:
            alone[workers].append(engine_alone(model, many, workers, size))
            for engine in engines:
                pair = tuple(job(model, source, engine, workers) for source in (few, many))
                jobs.setdefault((engine, workers), []).append((pair[0], pair[1]))
    rows: list[Row] = []
    for workers in WORKERS:
        engine_cost = _median(alone[workers])
        rows.append(_row("engine alone", workers, engine_cost, engine_cost))
        for engine in engines:
            pairs = jobs[engine, workers]
            small, large = (_median([pair[place] for pair in pairs]) for place in (0, 1))
            cost, start_s = per_page(small, large, size, workers)
            row = _row(engine, workers, cost, engine_cost, cpu_is_known=engine != "ray")
            rows.append(row | {"start_s": start_s, "whole_job_s": large.wall_s})
    return rows


def _median(costs: list[Cost]) -> Cost:
    walls, cpus = zip(*costs, strict=True)
    return Cost(statistics.median(walls), statistics.median(cpus))


def _row(way: str, workers: int, cost: Cost, alone: Cost, cpu_is_known: bool = True) -> Row:
    """Ray's own processes are not those of the job, so that their processor time is not known."""
    row: Row = {"way": way, "workers": workers, "pages_per_s_and_core": 1 / cost.wall_s}
    row["of_engine"] = alone.wall_s / cost.wall_s
    if cpu_is_known:
        row |= {"cpu_us_per_page": 1e6 * cost.cpu_s, "of_engine_by_cpu": alone.cpu_s / cost.cpu_s}
    return row


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    size = QUICK if arguments.quick else FULL
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        model = root / "model.gerank"
        write_model(model)
        table = table_of(np.random.default_rng(0), size.pages)
        few, many = (
            write_folder(root / name, table, files)
            for name, files in (("few", size.few), ("many", size.many))
        )
        rows = measure(model, few, many, size)
    publish("batch_scoring", rows, arguments)


if __name__ == "__main__":
    main()
