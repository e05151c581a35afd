"""How much of a training is saved by `--init`: steps to the validation score of a fresh run.

Two days of one simulated catalogue: other people, other pages, the same items. Yesterday's run
learns from the first day. On the second day the evaluator is trained fresh and with yesterday's
weights, on the same pages and with the same validation pages; so is the generator, with the truth
as its reward, since its score would otherwise be that of two different evaluators. A row tells the
steps of the fresh training, the validation score that it ended with, the steps after which the warm
one had reached that, and the share.

Settings were chosen on seeds from 100 on.
"""

from __future__ import annotations

import csv
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from harness import Row, options, progress, publish
from over_seeds import REPORTED_SEEDS
from simulated import Pages, simulated, true_reward

from gerank.data.simulator import SimulatorConfig
from gerank.train.config import DataConfig, GeneratorConfig, TrainConfig
from gerank.train.run_folder import RunFolder
from gerank.train.train import train

PAGES, SLOTS, EPOCHS = 3000, 10, 12
EVALUATOR, GENERATOR = "evaluator-fit", "generator"


def config_for(day: Path, seed: int, *, quick: bool) -> TrainConfig:
    config = TrainConfig(
        DataConfig(day, slots=SLOTS, score="ctr_score"),
        generator=GeneratorConfig(epochs=EPOCHS),
        seed=seed,
        threads=1,
    )
    judge = replace(config.judge, bootstraps=2, boosted=False, clone_steps=10)  # nobody asks it
    config = replace(config, judge=judge)
    if quick:
        evaluator = replace(config.evaluator, steps=100, compare_steps=50)
        generator = replace(config.generator, epochs=4, min_steps=0)
        config = replace(config, evaluator=evaluator, generator=generator)
    return config


def scores(run: RunFolder, stage: str) -> list[float]:
    """The validation score of every look, in order; higher is better."""
    with (run.path / "metrics.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["stage"] == stage]
    return [float(row["value"]) for row in rows if row["metric"] == "score"]


def compared(stage: str, fresh: RunFolder, warm: RunFolder, steps: int) -> Row:
    """Steps of one stage, of which both runs make equally many, in as many looks."""
    goal = max(scores(fresh, stage))
    reached = [look for look, score in enumerate(scores(warm, stage), start=1) if score >= goal]
    per_look = steps / len(scores(fresh, stage))
    needed = reached[0] * per_look if reached else None
    first = scores(fresh, stage).index(goal) + 1
    return {
        "stage": stage,
        "fresh steps": first * per_look,
        "fresh score": goal,
        "warm score, first look": scores(warm, stage)[0],
        "warm steps": needed,
        "share": None if needed is None else needed / (first * per_look),
    }


def measure(folder: Path, seed: int, step: Callable[[], None], *, quick: bool) -> list[Row]:
    pages = 600 if quick else PAGES
    days: list[Pages] = []
    for number in (1, 2):
        config = SimulatorConfig(pages, seed=2 * seed + number, items=600, sellers=60)
        days.append(simulated(config))
        days[-1].log.write(folder / f"day{number}")
    settings = [config_for(folder / f"day{number}", seed, quick=quick) for number in (1, 2)]
    before = train(settings[0], folder / "before")
    step()
    runs = []
    for name, init in (("fresh", None), ("warm", before.path)):
        learnt = train(settings[1], folder / name, init=init)
        step()
        truth = true_reward(days[1], settings[1].reward)
        told = train(settings[1], folder / f"{name}-truth", init=init, reward=truth)
        step()
        runs.append((learnt, told))
    (fresh, fresh_truth), (warm, warm_truth) = runs
    generator_steps = _generator_steps(settings[1], days[1])
    return [
        {"seed": seed} | compared(EVALUATOR, fresh, warm, settings[1].evaluator.steps),
        {"seed": seed} | compared(GENERATOR, fresh_truth, warm_truth, generator_steps),
    ]


def _generator_steps(config: TrainConfig, pages: Pages) -> int:
    share = 1 - config.data.validation_share
    taught = int(len(pages.log) * share)
    size = config.generator.batch_size or int(np.clip(taught / 25, 32, 128))
    return config.generator.epochs * max(1, taught // size)


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    seeds = REPORTED_SEEDS[:1] if arguments.quick else REPORTED_SEEDS[:3]
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as name, progress(5 * len(seeds), "trainings") as step:
        for seed in seeds:
            folder = Path(name) / str(seed)
            rows += measure(folder, seed, step, quick=arguments.quick)
    publish("warm_start", rows, arguments)


if __name__ == "__main__":
    main()
