"""What the shape of a log costs in training: a long page among short ones, ids, and loading.

- *One long page*: 30,000 pages of 12 candidates, and the same with one page of 512 among them. A
  row tells the wall time and the largest resident memory of `gerank train`, each in a process of
  its own, in turns, and the ratios.
- *Vocabulary*: an id feature of 20,000 values and one of 2,000,000, on the same pages.
- *Loading*: pages per second of reading shuffled batches alone, and of the generator's and the
  evaluator's training, loading included. The log lies in memory, or in files.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from harness import Row, options, progress, publish
from large_log import most_resident

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.nn.generator import Generator, GeneratorShape
from gerank.nn.structured import StructuredEvaluator, StructuredShape
from gerank.train.config import GeneratorConfig, UtilityConfig
from gerank.train.feedback import StructuredFeedback
from gerank.train.generator_stage import GeneratorStage
from gerank.train.page_batches import PageBatches
from gerank.train.reward import UtilityReward
from gerank.train.structured_stage import StructuredStage

PAGES, QUICK_PAGES, ROUNDS, SHORT, LONG, SLOTS = 30_000, 500, 2, 12, 512, 10
SMALL, LARGE = 20_000, 2_000_000

CONFIG = """
threads = 1
[data]
log = "{log}"
score = "score"
[evaluator]
compare_steps = {steps}
steps = {steps}
[judge]
bootstraps = 2
clone_steps = {steps}
boosted = false
[generator]
epochs = 1
min_steps = 1
[reward.clicks]
min = 0.0
max = 1.0
default = 1.0
"""


def pages_of(lengths: np.ndarray, vocabulary: int, seed: int) -> ExposureLog:
    """Pages with three numbers and an id per candidate, of which up to ten were shown by score."""
    rng = np.random.default_rng(seed)
    schema = FeatureSchema(
        (Feature("age", FeatureKind.DENSE),),
        (
            *(Feature(name, FeatureKind.DENSE) for name in ("score", "price", "quality")),
            Feature("item", FeatureKind.ID, vocabulary, hashed=True),
        ),
    )
    items = np.concatenate([[0], np.cumsum(lengths)])
    shown = np.minimum(lengths, SLOTS)
    slots = np.concatenate([[0], np.cumsum(shown)])
    total = int(items[-1])
    score = rng.normal(size=total).astype(np.float32)
    order = np.lexsort((-score, np.repeat(np.arange(len(lengths)), lengths)))
    place = np.arange(int(slots[-1])) - np.repeat(slots[:-1], shown)
    starts = np.repeat(items[:-1], shown)
    slates = order[starts + place] - starts
    clicked = rng.random(len(slates)) < 1 / (1 + np.exp(1.5 - score[starts + slates]))
    unknown = np.full(len(slates), np.nan, np.float32)
    ids = rng.zipf(1.2, total) % LARGE
    return ExposureLog(
        schema=schema,
        page_ids=np.array([f"page {page}" for page in range(len(lengths))], np.object_),
        person_ids=np.array([f"person {page // 5}" for page in range(len(lengths))], np.object_),
        timestamps=np.arange(len(lengths)),
        candidate_offsets=items,
        slate_offsets=slots,
        user={"age": rng.uniform(18, 80, len(lengths)).astype(np.float32)},
        candidate={
            "score": score,
            "price": rng.lognormal(2, 0.5, total).astype(np.float32),
            "quality": rng.random(total, dtype=np.float32),
            "item": ids.astype(np.int64),
        },
        candidate_names=np.array([str(name) for name in range(total)], np.object_),
        slates=slates,
        clicks=clicked.astype(np.float32),
        log_propensity=unknown,
        placement_propensity=unknown,
    )


def compared(
    folder: Path, logs: dict[str, ExposureLog], rounds: int, steps: int, title: str
) -> list[Row]:
    """Trains on both logs in turns; the second row has the ratios to the first."""
    seconds: dict[str, list[float]] = {name: [] for name in logs}
    resident: dict[str, list[float]] = {name: [] for name in logs}
    for name, log in logs.items():
        log.write(folder / name)
        (folder / f"{name}.toml").write_text(CONFIG.format(log=name, steps=steps))
    for number in range(rounds):
        for name in logs:
            run = f"run-{name}-{number}"
            words = [sys.executable, "-m", "gerank", "train", f"{name}.toml", "--out", run]
            took, most = most_resident(words, folder)
            seconds[name].append(took)
            resident[name].append(most)
    first = next(iter(logs))
    return [
        {
            "experiment": title,
            "log": name,
            "seconds": statistics.median(seconds[name]),
            "resident_mib": statistics.median(resident[name]),
            "of_time": statistics.median(seconds[name]) / statistics.median(seconds[first]),
            "of_memory": statistics.median(resident[name]) / statistics.median(resident[first]),
        }
        for name in logs
    ]


def loading(folder: Path, log: ExposureLog, seconds: float) -> list[Row]:
    """Pages per second of batches alone, and of training, from memory and from files."""
    log.write(folder / "loading")
    rows: list[Row] = []
    for where, memory_mb in (("memory", 1024), ("files", 1)):
        read = ExposureLog.read(folder / "loading", memory_mb)
        alone = rate(batches(read), seconds)
        for stage, steps in trainings(read):
            trained = rate(steps, seconds)
            rows.append(
                {
                    "experiment": "loading",
                    "log in": where,
                    "training": stage,
                    "pages_per_s_alone": alone,
                    "pages_per_s_trained": trained,
                    "ratio": alone / trained,
                }
            )
    return rows


def rate(pages: Iterator[int], seconds: float) -> float:
    """Pages per second; the first batches are not counted."""
    for _ in range(3):
        next(pages)
    begun, count = time.perf_counter(), 0
    while time.perf_counter() - begun < seconds:
        count += next(pages)
    return count / (time.perf_counter() - begun)


def batches(log: ExposureLog) -> Iterator[int]:
    rows = np.arange(len(log))
    for places in PageBatches(log, rows, 128).endless(0):
        log.batch(rows[places], SLOTS)
        yield len(places)


def trainings(log: ExposureLog) -> Iterator[tuple[str, Iterator[int]]]:
    rows = np.arange(len(log))
    train, held_out = rows[:-100], rows[-100:]
    shape = StructuredShape(slots=SLOTS, reading="examination", members=3)
    strengths = torch.tensor([16.0, 64.0, 256.0])
    ensemble = StructuredEvaluator(log.schema, shape)
    evaluator = StructuredStage(
        "evaluator", ensemble, log, train, held_out, strengths, steps=100_000, seed=0
    )
    yield "evaluator", steps_of(evaluator)
    utilities = {"clicks": UtilityConfig(min=0.0, max=1.0, default=1.0)}
    feedback = StructuredFeedback(ensemble.select(torch.tensor([0])))
    reward = UtilityReward(feedback, log.schema, utilities)
    torch.manual_seed(0)
    generator = Generator(log.schema, GeneratorShape())
    config = replace(GeneratorConfig(), batch_size=128)
    yield (
        "generator",
        steps_of(
            GeneratorStage(generator, reward, log, train, held_out, config, utilities, SLOTS, 0)
        ),
    )


def steps_of(stage: StructuredStage | GeneratorStage) -> Iterator[int]:
    epoch = 0
    while True:
        for _ in stage.train_epoch(epoch):
            yield 128
        epoch += 1


def measure(folder: Path, *, quick: bool, step: Callable[[], None]) -> list[Row]:
    pages, rounds, steps = (QUICK_PAGES, 1, 20) if quick else (PAGES, ROUNDS, 300)
    short = np.full(pages, SHORT)
    one_long = short.copy()
    one_long[pages // 2] = LONG
    logs = {
        "short": pages_of(short, 1000, 0),
        "one-long": pages_of(one_long, 1000, 0),
    }
    rows = compared(folder, logs, rounds, steps, "one page of 512 among pages of 12")
    step()
    logs = {str(n): pages_of(short, n, 0) for n in (SMALL, LARGE)}
    rows += compared(folder, logs, rounds, steps, "values of an id")
    step()
    rows += loading(folder, pages_of(np.full(pages, 20), 20_000, 0), 0.5 if quick else 10.0)
    step()
    return rows


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as place, progress(3, "shapes of logs") as step:
        publish("log_shapes", measure(Path(place), quick=arguments.quick, step=step), arguments)


if __name__ == "__main__":
    main()
