"""Do preference weights move what they name? Clicks, purchases, hides and dwell of a shop's log.

The log is one that another system wrote (odd/shop in the folder that GERANK_LOGS names). It is
imported as `gerank import --guess` understands it, and a generator is trained with a weight of
either sign for every kind of feedback. Its artifact is served; for every kind the weight goes from
its lowest to its highest value while the others stay at their defaults, and the evaluator says what
the served slates are expected to bring of that kind. Spearman's correlation tells whether that
rises with the weight; in --json every step is told.
"""

from __future__ import annotations

import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from harness import Row, options, publish
from scipy.stats import spearmanr

from gerank.data.exposure_log import ExposureLog
from gerank.data.importing import write_imported
from gerank.data.importing.guess import guess_mapping
from gerank.data.log_requests import request_document
from gerank.engine import Engine
from gerank.export.from_run import export_run
from gerank.train.config import DataConfig, GeneratorConfig, TrainConfig, UtilityConfig
from gerank.train.feedback import EvaluatorFeedback, WithHeads
from gerank.train.feedback_checkpoint import load_heads
from gerank.train.judges import PageJudge
from gerank.train.run_folder import RunFolder
from gerank.train.train import train

SLOTS, STEPS = 6, 9
REWARD = {
    "clicks": UtilityConfig(-1.0, 1.0, 0.5),
    "expected.purchase": UtilityConfig(-1.0, 1.0, 0.25),
    "expected.dwell": UtilityConfig(-1.0, 1.0, 0.25),
    "expected.hide": UtilityConfig(-1.0, 1.0, -0.25),
}


def trained(source: Path, folder: Path, *, quick: bool) -> RunFolder:
    """From the foreign table to a finished run, with no line of the guess edited."""
    mapping = folder / "map.toml"
    mapping.write_text(guess_mapping([str(source)]), encoding="utf-8")
    write_imported([str(source)], mapping, folder / "log")
    config = TrainConfig(
        DataConfig(folder / "log", slots=SLOTS, score="score"),
        generator=GeneratorConfig(min_steps=500, default_share=0.2),
        reward=REWARD,
        threads=1,
    )
    if quick:
        evaluator = replace(config.evaluator, steps=100, compare_steps=50, residual=False)
        judge = replace(config.judge, bootstraps=2, boosted=False, clone_steps=5)
        config = replace(config, evaluator=evaluator, judge=judge)
    return train(config, folder / "run")


def served(engine: Engine, log: ExposureLog, weights: dict[str, float]) -> torch.Tensor:
    """[E, N] the slates that the engine answers with to every page of the log."""
    slates = torch.full((len(log), SLOTS), -1)
    for row in range(len(log)):
        page = request_document(log, row)
        (slate,) = engine.rank([page | {"weights": weights}]).slates
        slates[row, list(slate.slots)] = torch.tensor(list(slate.candidates))
    return slates


def measure(run: RunFolder, artifact: Path) -> list[Row]:
    """One row per kind: the expected value at the steps of its weight, and their correlation."""
    log = ExposureLog.read(run.config.data.log)
    predicted = WithHeads(EvaluatorFeedback(run.load_evaluator()), load_heads(run))
    judge = PageJudge(predicted, log, run.config.reward)
    rows = []
    with Engine() as engine:
        engine.load("feed", artifact)
        for place, (name, utility) in enumerate(run.config.reward.items()):
            weights = np.linspace(utility.min, utility.max, STEPS)
            values = [
                judge.utilities(served(engine, log, {name: float(weight)}))[:, place].mean().item()
                for weight in weights
            ]
            rows.append(
                {
                    "utility": name,
                    "lowest weight": values[0],
                    "default": judge.utilities(served(engine, log, {}))[:, place].mean().item(),
                    "highest weight": values[-1],
                    "Spearman": float(spearmanr(weights, values).statistic),
                    "by weight": [round(value, 6) for value in values],
                }
            )
    return rows


def main() -> None:
    parser = options(__doc__ or "")
    arguments = parser.parse_args()
    if "GERANK_LOGS" not in os.environ:
        sys.exit("GERANK_LOGS must name the folder of the foreign logs")
    source = Path(os.environ["GERANK_LOGS"]) / "odd" / "shop.parquet"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run = trained(source, folder, quick=arguments.quick)
        export_run(run.path, folder / "shop.gerank", force=True)  # the log is too small to believe
        publish("feedback_weights", measure(run, folder / "shop.gerank"), arguments)


if __name__ == "__main__":
    main()
