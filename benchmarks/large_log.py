"""A log that is larger than memory: time and memory of import, training and evaluation.

A synthetic table of exposures is written, 20 rows to a page, with a score, three more numbers and
two ids, and clicks that follow the score. `gerank import` makes a log of it, `gerank train` learns
from it with one pass of the generator over all pages, and `gerank evaluate` judges the run on other
pages, each in a process of its own. The pages show 20 slots, of which the generator fills 10, two
slates per page and step: memory depends on neither, time does. A row tells its wall time, and the
most memory that it had resident at any moment beside that of a process which has loaded the same
libraries and does nothing. Mapped files count as resident.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from harness import Row, options, progress, publish

ROWS, QUICK_ROWS, TEST_ROWS = 50_000_000, 20_000, 400_000
PAGE, ITEMS, PEOPLE_PER_PAGE = 20, 100_000, 0.2
ROWS_AT_ONCE = 1_000_000
LIBRARIES = "import gerank.cli.train, gerank.train.train, torch, duckdb, pyarrow.parquet"

MAPPING = """
[page]
id = "page"
person = "person"
time = "time"
time_unit = "s"
[shown]
item = "item"
slot = "slot"
[feedback.click]
column = "clicked"
[user.age]
kind = "dense"
[candidate.score]
kind = "dense"
[candidate.price]
kind = "dense"
[candidate.quality]
kind = "dense"
[candidate.item]
kind = "id"
vocabulary = 20000
[candidate.seller]
kind = "id"
vocabulary = 1000
group = true
"""

CONFIG = """
threads = 1
[data]
log = "log"
score = "score"
slots = 10
memory_mb = 1024
[judge]
bootstraps = 4
boosted = false
[generator]
epochs = 1
min_steps = 1
batch_size = 256
slates_per_request = 2
[reward.clicks]
min = 0.0
max = 1.0
default = 1.0
"""


def write_table(path: Path, rows: int, seed: int) -> None:
    """A long table of exposures, page by page."""
    rng = np.random.default_rng(seed)
    writer: pq.ParquetWriter | None = None
    for first in range(0, rows, ROWS_AT_ONCE):
        table = exposures(rng, first // PAGE, min(ROWS_AT_ONCE, rows - first) // PAGE, rows)
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
    assert writer is not None
    writer.close()


def exposures(rng: np.random.Generator, first: int, pages: int, rows: int) -> pa.Table:
    page = np.repeat(np.arange(first, first + pages), PAGE)
    people = max(10, int(rows / PAGE * PEOPLE_PER_PAGE))
    person = rng.integers(people, size=pages)
    turned = (np.arange(PAGE) + rng.integers(PAGE, size=(pages, 1))) % PAGE
    item = rng.zipf(1.3, (pages, PAGE)) % (ITEMS // PAGE) * PAGE + turned  # none twice on a page
    score = rng.normal(size=(pages, PAGE))
    attraction = 0.8 * score + 0.4 * ((item % 97) / 97 - 0.5) - 0.1 * np.arange(PAGE)
    clicked = rng.random((pages, PAGE)) < 1 / (1 + np.exp(1.5 - attraction))
    return pa.table(
        {
            "page": page,
            "person": np.repeat(person, PAGE),
            "time": np.repeat(1_700_000_000 + np.arange(first, first + pages), PAGE),
            "age": np.repeat((person % 60 + 18).astype(np.float32), PAGE),
            "slot": np.tile(np.arange(PAGE, dtype=np.int32), pages),
            "item": item.ravel(),
            "seller": (item % 997).ravel(),
            "score": score.ravel().astype(np.float32),
            "price": rng.lognormal(2.0, 0.5, pages * PAGE).astype(np.float32),
            "quality": rng.random(pages * PAGE, dtype=np.float32),
            "clicked": clicked.ravel(),
        }
    )


def most_resident(words: list[str], folder: Path) -> tuple[float, float]:
    """Wall seconds of a command and the MiB that it had resident at most.

    Raises:
        RuntimeError: It failed; the message is what it said.
    """
    begun = time.perf_counter()
    with (folder / "said").open("w+") as said:
        process = subprocess.Popen(words, cwd=folder, stdout=said, stderr=subprocess.STDOUT)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        if process.returncode:
            raise RuntimeError(f"{' '.join(words)}: {said.read()[-2000:]}")
    return time.perf_counter() - begun, usage.ru_maxrss / 1024


def measure(folder: Path, rows: int, test_rows: int, step: Callable[[], None]) -> list[Row]:
    for name, count, seed in (("train.parquet", rows, 0), ("test.parquet", test_rows, 1)):
        write_table(folder / name, count, seed)
    step()
    (folder / "map.toml").write_text(MAPPING)
    (folder / "config.toml").write_text(CONFIG)
    gerank = [sys.executable, "-m", "gerank"]
    _, idle = most_resident([sys.executable, "-c", LIBRARIES], folder)
    commands = {
        "import": ["import", "train.parquet", "--map", "map.toml", "--out", "log"],
        "import of the test": ["import", "test.parquet", "--map", "map.toml", "--out", "test"],
        "train": ["train", "config.toml", "--out", "run"],
        "evaluate": ["evaluate", "run", "--data", "test"],
    }
    result: list[Row] = []
    for name, words in commands.items():
        seconds, most = most_resident([*gerank, *words], folder)
        result.append(
            {
                "step": name,
                "rows": test_rows if name in ("import of the test", "evaluate") else rows,
                "seconds": seconds,
                "resident_mib": most,
                "idle_mib": idle,
                "beside_mib": most - idle,
            }
        )
        step()
    return result


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--rows", type=int, default=0, help=f"rows of the table; else {ROWS}")
    arguments = parser.parse_args()
    rows = arguments.rows or (QUICK_ROWS if arguments.quick else ROWS)
    with tempfile.TemporaryDirectory() as place, progress(5, "large log") as step:
        publish("large_log", measure(Path(place), rows, min(rows, TEST_ROWS), step), arguments)


if __name__ == "__main__":
    main()
