"""Benchmarks over several seeds: their options, and rows of means with intervals.

A step of an experiment gives figures by (experiment, variant, figure); each is told as its mean
over the seeds, a 95 % bootstrap interval over them, and every seed's value.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from harness import Row, options, progress, publish

from gerank.metrics.intervals import mean_interval

REPORTED_SEEDS = (0, 1, 2, 3, 4)
"""The committed rows are of these. Settings were chosen on seeds from 100 on alone."""

Figures = Mapping[tuple[str, str, str], float]


def seed_options(description: str) -> tuple[argparse.Namespace, list[int]]:
    """The command line, and the seeds to run: one where it is to be quick."""
    parser = options(description)
    parser.add_argument("--seeds", type=int, nargs="+", default=list(REPORTED_SEEDS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    return arguments, arguments.seeds[:1] if arguments.quick else arguments.seeds


def run_over_seeds(
    script: str,
    description: str,
    variant: str,
    steps: int,
    experiment: Callable[[int, bool], Iterator[Figures]],
) -> None:
    """The whole of a benchmark.

    Args:
        script: Its name, as in benchmarks/<script>.py.
        description: For `--help`.
        variant: The title of a row's second column.
        steps: How often `experiment` yields for one seed.
        experiment: (seed, quick) -> figures, as they are found.
    """
    arguments, seeds = seed_options(description)
    found: dict[tuple[str, str, str], list[float]] = {}
    with progress(len(seeds) * steps, script) as advance:
        for seed in seeds:
            for figures in experiment(seed, arguments.quick):
                for key, value in figures.items():
                    found.setdefault(key, []).append(value)
                advance()
    rows: list[Row] = [
        {"experiment": title, variant: name, "figure": figure} | summary(values)
        for (title, name, figure), values in found.items()
    ]
    publish_seeds(script, rows, arguments)


def publish_seeds(script: str, rows: list[Row], arguments: argparse.Namespace) -> None:
    """As harness.publish; only the reported seeds make a committed result."""
    publish(script, rows, arguments, commit=tuple(arguments.seeds) == REPORTED_SEEDS)


def summary(values: list[float]) -> dict[str, Any]:
    """Mean, interval and every seed's value, as rows hold them."""
    if len(values) == 1:
        return {"mean": values[0], "low": None, "high": None, "seeds": values}
    interval = mean_interval(values, list(range(len(values))), seed=0)
    return {
        "mean": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "seeds": values,
    }
