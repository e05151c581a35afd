"""What a generator reaches on the simulator, judged by the truth.

Pages of 20 candidates and 10 slots: evaluator AUC, better percentage by the truth and by a
held-out evaluator. Pages of 8 and 4, where all 1,680 slates are enumerated: share of the gap
between logged and best, with the truth as reward and with the learned evaluator.
"""

from __future__ import annotations

import dataclasses
import tempfile
from importlib.resources import files
from pathlib import Path

import numpy as np
from harness import Row, options, publish
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.simulator import SimulatorConfig, SimulatorTruth, simulate
from gerank.train.config_toml import read_config
from gerank.train.enumerated import enumerated_table
from gerank.train.evaluate import compared_slates, evaluate
from gerank.train.report import Table
from gerank.train.run_folder import RunFolder
from gerank.train.train import train


class TrueClicks:
    """The truth as reward: what a perfect evaluator would give."""

    def __init__(self, truth: SimulatorTruth) -> None:
        self.truth = truth

    def __call__(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """See `gerank.train.reward.Reward`."""
        return self.truth.expected_clicks(rows, slates).unsqueeze(-1)


def run(folder: Path, name: str, pages: int, tests: int, *, truth_reward: bool) -> list[Table]:
    config = read_config(Path(str(files("gerank") / "configs" / f"{name}.toml")))
    candidates, slots = {"simulator": (20, 10), "simulator_small": (8, 4)}[name]
    log, truth = simulate(SimulatorConfig(pages, candidates, slots, seed=0))
    log.write(folder / "train")
    data = dataclasses.replace(config.data, log=folder / "train")
    if truth_reward:  # no evaluator is trained, so no people need be kept for one
        data = dataclasses.replace(data, judge_share=0.0)
    config = dataclasses.replace(config, data=data)
    reward = TrueClicks(truth) if truth_reward else None
    run_folder = train(config, folder / "run", reward=reward)
    return tables(run_folder, SimulatorConfig(tests, candidates, slots, seed=1))


def tables(run_folder: RunFolder, test: SimulatorConfig) -> list[Table]:
    log, truth = simulate(test)
    found = evaluate(run_folder, log, truth).tables
    if test.candidates == 8:
        found.append(enumerated_table(compared_slates(run_folder, log), truth))
    return found


def main() -> None:
    arguments = options(__doc__).parse_args()
    tests = 500 if arguments.quick else 4000
    rows: list[Row] = []
    for experiment, name, pages, truth_reward in (
        ("M=20 N=10, learned evaluator", "simulator", 30000, False),
        ("M=8 N=4, learned evaluator", "simulator_small", 90000, False),
        ("M=8 N=4, truth as reward", "simulator_small", 30000, True),
    ):
        pages = 2000 if arguments.quick else pages
        with tempfile.TemporaryDirectory() as folder:
            found = run(Path(folder), name, pages, tests, truth_reward=truth_reward)
        rows += [
            {"experiment": experiment, "table": table.title}
            | dict(zip(table.columns, row, strict=True))
            for table in found
            for row in table.rows
        ]
    publish("simulator_quality", rows, arguments)


if __name__ == "__main__":
    main()
