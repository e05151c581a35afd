"""A training run that takes a second: 400 simulated pages of 6 candidates and 3 slots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, SimulatorTruth, simulate
from gerank.train.config import (
    DataConfig,
    EvaluatorConfig,
    GeneratorConfig,
    JudgeConfig,
    TrainConfig,
    UtilityConfig,
)

CANDIDATES, SLOTS = 6, 3
RANGED = {"clicks": UtilityConfig(0.0, 1.0, 1.0), "seller_diversity": UtilityConfig(0.0, 1.0, 0.2)}
"""Two utilities with ranges: a generator trained for them is controllable."""
STAGES = {
    "evaluator-readings": 1,
    "evaluator-fit": 1,
    "judge-examination": 1,
    "clone": 1,
    "generator": 2,
}
"""Stage of a tiny run -> its epochs, in their order."""


def tiny_log(pages: int = 400, seed: int = 0) -> tuple[ExposureLog, SimulatorTruth]:
    """Pages of a small catalogue, with many clicks."""
    config = SimulatorConfig(pages, CANDIDATES, SLOTS, seed, items=60, sellers=6)
    return simulate(config)


def write_tiny_log(folder: Path, pages: int = 400, seed: int = 0) -> Path:
    """Log and truth, as `gerank simulate` leaves them."""
    log, truth = tiny_log(pages, seed)
    log.write(folder)
    truth.write(folder)
    return folder


def tiny_config(log: Path, **changes: Any) -> TrainConfig:
    """Two epochs of the generator, few steps of the others, one form of reading.

    `changes`: of TrainConfig or GeneratorConfig.
    """
    generator = {
        "width": 8,
        "attention_width": 8,
        "embedding_width": 2,
        "epochs": 2,
        "batch_size": 64,
        "min_steps": 0,
        "slates_per_request": 2,
    }
    top = {name: changes.pop(name) for name in ("reward", "seed", "normalise") if name in changes}
    return TrainConfig(
        data=DataConfig(log.resolve(), slots=SLOTS, score="ctr_score"),
        evaluator=EvaluatorConfig(
            readings=("examination",),
            prior_strengths=(64.0, 16.0),
            compare_steps=10,
            steps=20,
            embedding_width=2,
            residual=False,
            width=8,
            heads=2,
        ),
        generator=GeneratorConfig(**generator | changes),
        judge=JudgeConfig(bootstraps=2, boosted=False, clone_steps=5),
        threads=1,
        **top,
    )
