"""What a generator reaches on the simulator, judged by the truth.

On pages of 20 candidates and 10 slots it tells the evaluator's AUC, and the better percentage by
the truth and by a held-out evaluator. On pages of 8 and 4 all 1,680 slates are enumerated, and it
tells the share of the gap between logged and best, with the truth as reward and with the learned
evaluator.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from harness import RESULTS, Row, options, publish

from gerank.data.simulator import Logging, SimulatorConfig, simulate
from gerank.train.config import EvaluatorConfig, JudgeConfig, TrainConfig
from gerank.train.config_toml import read_config
from gerank.train.enumerated import enumerated_table
from gerank.train.evaluate import compared_slates, evaluate
from gerank.train.feedback import TrueFeedback
from gerank.train.report import Table
from gerank.train.reward import UtilityReward
from gerank.train.run_folder import RunFolder
from gerank.train.train import train


@dataclass(frozen=True)
class Experiment:
    """Log and reward of one experiment; `config` names a packaged configuration."""

    title: str
    config: str
    pages: int
    logging: Logging
    truth_reward: bool = False


EXPERIMENTS = (
    Experiment("M=20 N=10, sampled log", "simulator", 30000, Logging.SAMPLED),
    Experiment("M=8 N=4, sampled log", "simulator_small", 60000, Logging.SAMPLED),
    Experiment("M=8 N=4, deterministic log", "simulator_small", 60000, Logging.DETERMINISTIC),
    Experiment("M=8 N=4, truth as reward", "simulator_small", 30000, Logging.SAMPLED, True),
)


def quickly(config: TrainConfig) -> TrainConfig:
    """The same settings with a few steps of everything."""
    return dataclasses.replace(
        config,
        evaluator=EvaluatorConfig(compare_steps=50, steps=100, residual=False),
        generator=dataclasses.replace(config.generator, epochs=1, min_steps=50),
        judge=JudgeConfig(bootstraps=2, clone_steps=20),
    )


def run(
    folder: Path, experiment: Experiment, pages: int, tests: int, *, quick: bool
) -> list[Table]:
    config = read_config(Path(str(files("gerank") / "configs" / f"{experiment.config}.toml")))
    config = quickly(config) if quick else config
    candidates, slots = {"simulator": (20, 10), "simulator_small": (8, 4)}[experiment.config]
    simulator = SimulatorConfig(pages, candidates, slots, seed=0, logging=experiment.logging)
    log, truth = simulate(simulator)
    data = config.data
    if experiment.truth_reward:  # no evaluator is trained, so no people need be kept for one
        data = dataclasses.replace(data, judge_share=0.0)
    config = dataclasses.replace(config, data=data)
    if experiment.truth_reward and not quick:
        generator = dataclasses.replace(config.generator, slates_per_request=8, epochs=8)
        config = dataclasses.replace(config, generator=generator)
    reward = None
    if experiment.truth_reward:
        reward = UtilityReward(TrueFeedback(truth), log.schema, config.reward)
    run_folder = train(config, folder / "run", reward=reward, log=log)
    return tables(run_folder, dataclasses.replace(simulator, pages=tests, seed=1))


def tables(run_folder: RunFolder, test: SimulatorConfig) -> list[Table]:
    log, truth = simulate(test)
    found = evaluate(run_folder, log, truth).tables
    if test.candidates == 8:
        found.append(enumerated_table(compared_slates(run_folder, log), truth))
    return found


def committed(titles: list[str]) -> list[Row]:
    """The committed rows of the experiments of these titles."""
    document = json.loads((RESULTS / "simulator_quality.json").read_text())
    return [row for row in document["rows"] if row["experiment"] in titles]


def main() -> None:
    parser = options(__doc__)
    titles = [experiment.title for experiment in EXPERIMENTS]
    parser.add_argument("--only", choices=titles, help="one experiment; the rows of others stay")
    arguments = parser.parse_args()
    tests = 500 if arguments.quick else 4000
    chosen = [each for each in EXPERIMENTS if arguments.only in (None, each.title)]
    rows = committed([title for title in titles if title not in {e.title for e in chosen}])
    for experiment in chosen:
        pages = 1000 if arguments.quick else experiment.pages
        with tempfile.TemporaryDirectory() as folder:
            found = run(Path(folder), experiment, pages, tests, quick=arguments.quick)
        rows += [
            {"experiment": experiment.title, "table": table.title}
            | dict(zip(table.columns, row, strict=True))
            for table in found
            for row in table.rows
        ]
    publish("simulator_quality", rows, arguments)


if __name__ == "__main__":
    main()
