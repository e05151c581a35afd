"""Verdicts against the truth, over kinds of users, logs and sizes.

For every kind of simulated users, way of logging and size of the log, over seeds of log and
training alike, a row tells the true gain of the generator over the logged page, what the evaluator
and the judge said, and the verdict. Beside it stand the greedy slates of the evaluator, the
logged-like policy, the upstream order, and the control in which clicks are shuffled within pages.

Settings were chosen on seeds from 100 on; seeds 0 to 4 are reported. Runs are kept in --work, so
that a benchmark that was stopped goes on where it was.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import Any

import numpy as np
from harness import Row, options, progress, publish
from over_seeds import REPORTED_SEEDS
from scipy.stats import spearmanr
from trust_cell import Cell, run_cell

from gerank.metrics.intervals import mean_interval

USERS = ("examination", "attention", "repeat-seeking", "cascade")
LOGGING = ("deterministic", "tenth", "sampled")
PAGES = (500, 1500, 5000, 20000)
LARGE_PAGES, LARGE_SEEDS = 60000, 3
CONTROL_PAGES = 1500
QUICK_PAGES, QUICK_TESTS = 500, 300


def cells(seeds: Iterable[int]) -> list[Cell]:
    """All runs; whole seeds first, so that what is there when the time is up is comparable."""
    every = []
    for seed in seeds:
        every += [Cell(u, "deterministic", n, seed) for n in PAGES for u in USERS]
        every += [Cell(u, "deterministic", CONTROL_PAGES, seed, shuffled=True) for u in USERS]
        every += [Cell(u, way, n, seed) for n in PAGES for way in LOGGING[1:] for u in USERS]
    large = list(seeds)[:LARGE_SEEDS]
    return every + [Cell(u, "deterministic", LARGE_PAGES, seed) for seed in large for u in USERS]


def finished(cell: Cell, work: Path) -> dict[str, Any]:
    """The figures of a cell: from its file, or from a run that writes it; in a worker process."""
    path = work / f"{cell.name}.json"
    if not path.exists():
        draft = path.with_suffix(".unfinished")
        draft.write_text(json.dumps(run_cell(cell)))
        draft.replace(path)
    figures: dict[str, Any] = json.loads(path.read_text())
    return figures


def rows_of(found: list[dict[str, Any]]) -> list[Row]:
    """A row per users, logging and size; the control; and the summary over all runs."""
    runs = [figures for figures in found if not figures["shuffled"]]
    controls = [figures for figures in found if figures["shuffled"]]
    groups: dict[tuple[str, str, int], list[dict[str, Any]]] = {}
    for figures in runs:
        key = (figures["users"], figures["logging"], figures["pages"])
        groups.setdefault(key, []).append(figures)
    rows = [_row(*key, some) for key, some in groups.items()]
    return rows + _summary(runs, controls)


def _row(users: str, logging: str, pages: int, some: list[dict[str, Any]]) -> Row:
    def mean(name: str) -> float:
        return float(np.mean([figures[name] for figures in some]))

    gains = [figures["generator gain"] for figures in some]
    interval = mean_interval(gains, list(range(len(gains))), seed=0) if len(gains) > 1 else None
    verdicts = [figures["printed"] for figures in some]
    return {
        "table": f"Users: {users}",
        "log": logging,
        "pages": pages,
        "seeds": len(some),
        "logged": mean("logged"),
        "true gain": mean("generator gain"),
        "low": interval.low if interval else None,
        "high": interval.high if interval else None,
        "better, %": mean("generator better"),
        "evaluator says": mean("says"),
        "judge says": mean("judge gain"),
        "its lower bound": mean("judge low"),
        "outside, %": 100 * mean("outside"),
        "greedy": mean("greedy gain"),
        "clone": mean("clone gain"),
        "sort": mean("sort by score gain"),
        "verdict better": f"{verdicts.count('better')} of {len(verdicts)}",
        "reading": ", ".join(sorted({figures["reading"] for figures in some})),
        "gains": gains,
    }


def _summary(runs: list[dict[str, Any]], controls: list[dict[str, Any]]) -> list[Row]:
    table = "All runs"
    believed = [r for r in runs if r["printed"] == "better"]
    wrong = [r for r in believed if r["generator gain"] < -2 * r["generator error"]]
    missed = [r for r in runs if r["printed"] != "better" and r["generator gain"] > 0]
    rows: list[Row] = [
        {"table": table, "figure": "runs", "value": len(runs)},
        {"table": table, "figure": "verdict better", "value": len(believed)},
        {"table": table, "figure": "verdict better, truly below the log", "value": len(wrong)},
        {"table": table, "figure": "verdict not better, truly above", "value": len(missed)},
    ]
    if len(runs) > 2:
        truth = [r["generator gain"] for r in runs]
        for name in ("judge gain", "judge low", "says"):
            correlation = float(spearmanr(truth, [r[name] for r in runs])[0])
            figure = f"rank correlation of the true gain with: {name}"
            rows.append({"table": table, "figure": figure, "value": correlation})
    if controls:
        nothing = sum(r["printed"] == "nothing to learn" for r in controls)
        figure = "clicks shuffled within pages: nothing to learn"
        rows.append({"table": table, "figure": figure, "value": f"{nothing} of {len(controls)}"})
    return rows


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(REPORTED_SEEDS))
    parser.add_argument("--work", type=Path, default=Path("runs/trust"), help="finished runs")
    parser.add_argument("--workers", type=int, default=2, help="runs side by side")
    parser.add_argument("--report", action="store_true", help="of the finished runs alone")
    arguments = parser.parse_args()
    if arguments.quick:
        quick = [Cell("examination", "deterministic", QUICK_PAGES, 0, tests=QUICK_TESTS)]
        publish("trust", rows_of([run_cell(cell, quick=True) for cell in quick]), arguments)
        return
    arguments.work.mkdir(parents=True, exist_ok=True)
    wanted = cells(arguments.seeds)
    if arguments.report:  # the rows tell how many seeds they stand on
        wanted = [cell for cell in wanted if (arguments.work / f"{cell.name}.json").exists()]
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(arguments.workers, mp_context=spawn)
    with progress(len(wanted), "trust") as advance, pool:
        waiting = [pool.submit(finished, cell, arguments.work) for cell in wanted]
        for done in as_completed(waiting):
            done.result()
            advance()
        found = [done.result() for done in waiting]
    publish("trust", rows_of(found), arguments)


if __name__ == "__main__":
    main()
