"""An epoch of generator training on each device that is there: the processor against the GPU.

A run of `gerank train` on simulated pages of 20 candidates and 10 slots. The evaluator learns a few
steps only; then the generator's epochs are timed as they are in a run, each from the end of the one
before to its own, with its validation and its checkpoint. The first, in which memory is reserved
and kernels are loaded, is left out. The score, the mean reward on validation pages, tells whether
both devices learn the same.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

import torch
from harness import Row, options, progress, publish
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from gerank.data.simulator import SimulatorConfig, simulate
from gerank.train.config import EvaluatorConfig, JudgeConfig, TrainConfig
from gerank.train.config_toml import read_config
from gerank.train.pages import split_pages
from gerank.train.train import train

PAGES, EPOCHS, BATCHES = 20_000, 4, (128, 1024)
QUICK_PAGES, QUICK_EPOCHS, QUICK_BATCHES = 800, 3, (128,)
SCORE = "generator/score"


def can_train_on_gpu() -> bool:
    """Whether a GPU is there, and training can be told so: it needs `train.device`."""
    return torch.cuda.is_available() and "train" in TrainConfig.__dataclass_fields__


def settings(batch: int, epochs: int, device: str) -> TrainConfig:
    """The packaged configuration with a short evaluator."""
    config = read_config(Path(str(files("gerank") / "configs" / "simulator.toml")))
    evaluator = EvaluatorConfig(
        readings=("examination",), prior_strengths=(64.0,), compare_steps=20, steps=40
    )
    config = replace(
        config,
        evaluator=evaluator,
        judge=JudgeConfig(bootstraps=2, boosted=False, clone_steps=20),
        generator=replace(config.generator, epochs=epochs, min_steps=0, batch_size=batch),
    )
    if hasattr(config, "train"):
        config = replace(config, train=replace(config.train, device=device))
    return config


def measure(device: str, batch: int, pages: int, epochs: int) -> Row:
    """One run: seconds of an epoch, and what was learnt."""
    config = settings(batch, epochs, device)
    log, _ = simulate(SimulatorConfig(pages, seed=0))
    split = split_pages(log, config.data)
    learnt_from = len(split.train) + len(split.judge)
    with tempfile.TemporaryDirectory() as folder:
        run = train(config, Path(folder) / "run", log=log, split=split)
        events = EventAccumulator(str(run.path / "tensorboard"))
        events.Reload()
        scores = events.Scalars(SCORE)
    ends = [event.wall_time for event in scores]
    seconds = statistics.median(end - begin for begin, end in itertools.pairwise(ends))
    return {
        "device": device,
        "batch": batch,
        "pages": learnt_from,
        "epoch, s": seconds,
        "pages per second": learnt_from / seconds,
        "score": scores[-1].value,
    }


def with_ratios(rows: Sequence[Row]) -> list[Row]:
    """The rows, and how much shorter an epoch is than the processor's."""
    on_cpu = {row["batch"]: row["epoch, s"] for row in rows if row["device"] == "cpu"}
    return [
        row | {"times as fast as cpu": on_cpu[row["batch"]] / row["epoch, s"]}
        if row["batch"] in on_cpu
        else row
        for row in rows
    ]


def chosen_devices(parser: argparse.ArgumentParser, asked: Sequence[str] | None) -> list[str]:
    """The devices to measure: those that are asked for, else all that are there."""
    there = ["cpu", "cuda"] if can_train_on_gpu() else ["cpu"]
    missing = [device for device in asked or () if device not in there]
    if missing:
        parser.error(
            f"--devices: {missing[0]} is not there: torch {torch.__version__} sees "
            f"{torch.cuda.device_count()} GPUs, and gerank's training "
            + ("knows" if "train" in TrainConfig.__dataclass_fields__ else "lacks")
            + " train.device"
        )
    return list(asked or there)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--devices", nargs="+", choices=["cpu", "cuda"], help="default: all there")
    arguments = parser.parse_args()
    devices = chosen_devices(parser, arguments.devices)
    quick = arguments.quick
    pages, epochs = (QUICK_PAGES, QUICK_EPOCHS) if quick else (PAGES, EPOCHS)
    batches = QUICK_BATCHES if quick else BATCHES
    rows: list[Row] = []
    with progress(len(batches) * len(devices), "train_epoch") as advance:
        for batch in batches:
            for device in devices:
                rows.append(measure(device, batch, pages, epochs))
                advance()
    publish("train_epoch", with_ratios(rows), arguments, device=devices[-1])


if __name__ == "__main__":
    main()
