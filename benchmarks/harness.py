"""What every benchmark shares: its options, the facts of the machine, and the committed result."""

from __future__ import annotations

import argparse
import contextlib
import datetime
import json
import platform
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

import gerank
from gerank.metrics.intervals import Interval
from gerank.train.about import processor
from gerank.train.report import cell_to_json, show_interval

RESULTS = Path(__file__).parent / "results"
Row = dict[str, Any]
_TITLES = ("experiment", "table")


def options(description: str) -> argparse.ArgumentParser:
    """`--quick` (under a minute, not committed) and `--json` (rows instead of a table)."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--quick", action="store_true", help="small sizes, under a minute")
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    return parser


def publish(
    script: str,
    rows: list[Row],
    arguments: argparse.Namespace,
    *,
    commit: bool = True,
    device: str = "cpu",
) -> None:
    """Prints the rows; a full run also writes benchmarks/results/<script>.json.

    An `Interval` is one cell of the table, and three numbers in JSON.

    `commit` is False where a run was of other seeds than those that are reported. What a run on the
    `device` cuda found stands beside the CPU's, in <script>_cuda.json, with the GPU's name.
    """
    numbers = [{name: cell_to_json(cell) for name, cell in row.items()} for row in rows]
    if arguments.json:
        print(json.dumps(numbers, indent=2))
    else:
        _print(script, rows)
    if commit and not arguments.quick:
        _write(script, numbers, device)


def commit_part(script: str, rows: list[Row]) -> None:
    """Writes the rows of some experiments into the committed result, where others stay.

    Every row has the date of its own run.
    """
    path = RESULTS / f"{script}.json"
    before: list[Row] = json.loads(path.read_text())["rows"] if path.exists() else []
    run = {row["experiment"] for row in rows}
    dated = [{n: cell_to_json(c) for n, c in row.items()} | {"date": today()} for row in rows]
    _write(script, [row for row in before if row["experiment"] not in run] + dated, "cpu")


def result_name(script: str, device: str) -> str:
    """The name of the file, without its ending, of what a script found on a device."""
    return f"{script.removesuffix('_cuda')}_cuda" if device == "cuda" else script


def _write(script: str, rows: list[Row], device: str) -> None:
    known = facts() | (gpu_facts() if device == "cuda" else {})
    document = {"script": f"benchmarks/{script}.py"} | known | {"rows": rows}
    RESULTS.mkdir(exist_ok=True)
    path = RESULTS / f"{result_name(script, device)}.json"
    path.write_text(json.dumps(document, indent=2) + "\n")


@contextlib.contextmanager
def progress(steps: int, title: str) -> Iterator[Callable[[], None]]:
    """A bar on stderr; what it yields is called after each step."""
    with Progress(console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=steps)
        yield lambda: bar.advance(task)


def today() -> str:
    """The date of a result."""
    return datetime.datetime.now(datetime.UTC).date().isoformat()


def facts() -> Row:
    """Machine, versions and date."""
    return {
        "date": today(),
        "machine": {
            "processor": processor(),
            "cores": torch.get_num_threads(),
            "capability": torch.backends.cpu.get_cpu_capability(),
        },
        "versions": {
            "gerank": gerank.__version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        },
    }


def gpu_facts() -> Row:
    """The GPU of this process, and the CUDA that torch was built with."""
    properties = torch.cuda.get_device_properties(0)
    return {
        "gpu": {
            "name": properties.name,
            "capability": f"{properties.major}.{properties.minor}",
            "memory_mb": properties.total_memory >> 20,
            "cuda": torch.version.cuda,
        }
    }


def _print(script: str, rows: list[Row]) -> None:
    """A table per `experiment` and `table` that rows name; one for all where they name none."""
    console = Console()
    if not console.is_terminal:
        console.width = 240  # a file has no width to which columns must be cut
    names = dict.fromkeys(_title(row) for row in rows)
    for name in names:
        some = [row for row in rows if _title(row) == name]
        columns = [c for c in dict.fromkeys(c for r in some for c in r) if c not in _TITLES]
        table = Table(*columns, title=name or script, title_justify="left")
        for row in some:
            table.add_row(*(_cell(row.get(column)) for column in columns))
        console.print(table)


def _title(row: Row) -> str:
    return ": ".join(str(row[key]) for key in _TITLES if key in row)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Interval):
        return show_interval(value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)
