"""One run of `trust.py`: a simulated log, a training run, and what the truth says of it."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import (
    Logging,
    ObservationNoise,
    SimulatorConfig,
    SimulatorTruth,
    UserKind,
    simulate,
)
from gerank.train.config import DataConfig, EvaluatorConfig, GeneratorConfig, TrainConfig
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.greedy_on_evaluator import greedy_slates
from gerank.train.judge_run import judge_policy
from gerank.train.orders import exposed_slates, generated_slates, score_slates
from gerank.train.run_folder import RunFolder
from gerank.train.shuffle_control import shuffled_clicks
from gerank.train.train import train
from gerank.train.verdict import BOOSTED

SLOTS = 10
SCORE_NOISE = 0.5
"""The upstream score has this noise in the logit: a good upstream still errs."""
TEST_SEED_SHIFT = 5000
_EXPLORED = 0.1


@dataclass(frozen=True)
class Cell:
    """One run.

    Attributes:
        users: How the simulated users behave.
        logging: `deterministic`, `tenth` (a tenth of the pages random) or `sampled`.
        pages: Counts the pages of the log.
        seed: Seeds log and training.
        shuffled: Whether clicks are permuted within pages: there is nothing to learn then.
        tests: Pages of other people that are judged.
    """

    users: str
    logging: str
    pages: int
    seed: int
    shuffled: bool = False
    tests: int = 2000

    @property
    def name(self) -> str:
        """Names the cell's file."""
        shuffled = "-shuffled" if self.shuffled else ""
        return f"{self.users}-{self.logging}-{self.pages}-{self.seed}{shuffled}"

    def simulator(self, pages: int, seed: int) -> SimulatorConfig:
        """A log of this kind."""
        tenth = self.logging == "tenth"
        return SimulatorConfig(
            pages,
            slots=SLOTS,
            seed=seed,
            users=UserKind(self.users),
            logging=Logging.MIXED if tenth else Logging(self.logging),
            explore=_EXPLORED if tenth else 0.0,
            noise=ObservationNoise(ctr_score=SCORE_NOISE),
        )


def settings(seed: int, *, quick: bool) -> TrainConfig:
    """The defaults; in a quick run fewer steps."""
    config = TrainConfig(DataConfig(Path("simulated"), slots=SLOTS, score="ctr_score"), seed=seed)
    if not quick:
        return config
    return dataclasses.replace(
        config,
        evaluator=EvaluatorConfig(steps=150, residual=False),
        generator=GeneratorConfig(epochs=1, min_steps=60, batch_size=64),
    )


def run_cell(cell: Cell, quick: bool = False) -> dict[str, Any]:
    """Trains and judges; numbers by name."""
    torch.set_num_threads(1)
    log, _ = simulate(cell.simulator(cell.pages, cell.seed))
    if cell.shuffled:
        log = shuffled_clicks(log, cell.seed)
    test, truth = simulate(cell.simulator(cell.tests, cell.seed + TEST_SEED_SHIFT))
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as name, _silent():
        run = train(settings(cell.seed, quick=quick), Path(name) / "run", log=log)
        seconds = time.monotonic() - started
        return dataclasses.asdict(cell) | _figures(run, test, truth) | {"seconds": seconds}


def _figures(run: RunFolder, test: ExposureLog, truth: SimulatorTruth) -> dict[str, Any]:
    weights = torch.ones(1)
    logged = exposed_slates(test, SLOTS)
    feedback = EvaluatorFeedback(run.load_evaluator())
    slates = {
        "generator": generated_slates(run.load_generator(), test, SLOTS, weights),
        "clone": generated_slates(run.load_clone(), test, SLOTS, weights),
        "greedy": greedy_slates(feedback, test, SLOTS),
        "sort by score": score_slates(test, "ctr_score", SLOTS),
    }
    rows = torch.arange(len(test))
    base = truth.expected_clicks(rows, logged).double()
    figures: dict[str, Any] = {"logged": base.mean().item()}
    for name, order in slates.items():
        gain = truth.expected_clicks(rows, order).double() - base
        figures[f"{name} gain"] = gain.mean().item()
        figures[f"{name} error"] = (gain.std() / len(gain) ** 0.5).item()
        figures[f"{name} better"] = 100 * (gain > 0).double().mean().item()
    judgement = judge_policy(run, test, slates["generator"], logged)
    structured = [opinion for opinion in judgement.opinions if opinion.name != BOOSTED]
    boosted = next((opinion for opinion in judgement.opinions if opinion.name == BOOSTED), None)
    facts = run.facts
    return figures | {
        "says": _says(feedback, test, slates["generator"], logged),
        "judge gain": min(opinion.gain for opinion in structured),
        "judge low": min(opinion.low for opinion in structured),
        "boosted gain": boosted.gain if boosted else None,
        "boosted high": boosted.high if boosted else None,
        "outside": judgement.outside,
        "verdict": str(judgement.verdict),
        "printed": facts["verdict"]["verdict"],
        "judgement": facts["verdict"],
        "items": facts["reading"]["items"],
        "warnings": [warning["name"] for warning in facts["warnings"]],
        "reading": facts["reading"]["chosen"],
        "tied": len([form for form in facts["reading"]["forms"].values() if form["tied"]]),
    }


def _says(feedback: EvaluatorFeedback, log: ExposureLog, slates: Tensor, logged: Tensor) -> float:
    """Gain in clicks as the evaluator that gave the reward sees it."""
    gained = 0.0
    for first in range(0, len(log), 500):
        rows = np.arange(first, min(len(log), first + 500))
        both = torch.stack([slates[rows], logged[rows]], dim=1)
        clicks, _ = feedback(rows, log.batch(rows), both)
        gained += (clicks[:, 0].sum() - clicks[:, 1].sum()).item()
    return gained / len(log)


@contextlib.contextmanager
def _silent() -> Any:
    """Progress bars of many runs side by side tell nobody anything."""
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        yield
