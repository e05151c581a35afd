"""A new upstream model that is a rising function of the old one, and `gerank calibrate`.

Simulated pages of 12 candidates and 6 slots; a generator is trained on calibrated click scores.
Then the score is distorted in logs and requests alike: the reward of the same artifact before and
after its map is refitted to 4,000 distorted pages, relative to the undistorted; the same for a
generator without maps. Clicks by the truth on pages of other people, means over five seeds
with bootstrap intervals.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from harness import Row, options, progress, publish
from numpy.typing import NDArray
from simulated import (
    REPORTED_SEEDS,
    TEST_SEED_SHIFT,
    Pages,
    mean_utilities,
    simulated,
    summary,
    train_and_test,
    train_generator,
)

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.simulator import SimulatorConfig
from gerank.export.artifact import Artifact, write_artifact
from gerank.export.recalibrate import recalibrate
from gerank.nn.generator import Generator
from gerank.train.config import Baseline, GeneratorConfig, UtilityConfig
from gerank.train.pages import as_requests

SLOTS = 6
PAGES, TESTS, FRESH, EPOCHS = 8192, 4000, 4000, 9
SCORE = "ctr_score"
CLICKS = {"clicks": UtilityConfig()}
GENERATOR = GeneratorConfig(
    width=32,
    attention_width=32,
    embedding_width=4,
    batch_size=256,
    slates_per_request=4,
    baseline=Baseline.LEAVE_ONE_OUT,
    learning_rate=4e-3,
)
Scores = NDArray[np.float32]
DISTORTIONS: dict[str, Callable[[Scores], Scores]] = {
    "overconfident: logit times 2 plus 3": lambda p: _odds(2 * np.log(p / (1 - p)) + 3),
    "heavy tail: odds to the power of 4": lambda p: (p / (1 - p)) ** 4,
    "another unit: 1000 p": lambda p: 1000 * p,
}


def _odds(logit: Scores) -> Scores:
    return 1 / (1 + np.exp(-logit))


def distorted(pages: Pages, distort: Callable[[Scores], Scores]) -> Pages:
    """The same pages as the new upstream model would have scored them."""
    scores = distort(pages.log.candidate[SCORE].astype(np.float64)).astype(np.float32)
    log = replace(pages.log, candidate=dict(pages.log.candidate) | {SCORE: scores})
    return Pages(log, pages.truth)


def clicks(artifact: Artifact, pages: Pages) -> float:
    """True clicks per page of the artifact's greedy slates."""
    exposures = pages.log.batch(pages.rows)
    weights = torch.ones(len(pages.log), 1)
    batch = as_requests(exposures, weights, pages.log.schema, slots=SLOTS)
    return mean_utilities(pages, CLICKS, artifact.rerank(batch).slates)[0]


def written(generator: Generator, pages: Pages, path: Path) -> Artifact:
    contract = RequestContract(pages.log.schema, 512, SLOTS, {"clicks": WeightRange(1, 1, 1)})
    return write_artifact(generator, contract, path, name="benchmark", training={})


def experiment(seed: int, quick: bool) -> dict[tuple[str, str], float]:
    """(distortion, figure) -> value of one seed."""
    pages, tests, fresh, epochs = (1024, 300, 500, 2) if quick else (PAGES, TESTS, FRESH, EPOCHS)
    config = SimulatorConfig(pages, 12, SLOTS, seed=seed)
    train, test = train_and_test(config, tests)
    later = simulated(replace(config, pages=fresh, seed=seed + 2 * TEST_SEED_SHIFT))
    settings = replace(GENERATOR, epochs=epochs)
    found: dict[tuple[str, str], float] = {}
    with tempfile.TemporaryDirectory() as folder:
        artifacts = {}
        for kind, scores in (("without maps", ()), ("calibrated", (SCORE,))):
            generator = train_generator(train, CLICKS, settings, SLOTS, seed, calibrated=scores)
            artifacts[kind] = written(generator, train, Path(folder) / kind)
        whole = {kind: clicks(artifact, test) for kind, artifact in artifacts.items()}
        for kind, value in whole.items():
            found["undistorted", f"clicks per page, {kind}"] = value
        for name, distort in DISTORTIONS.items():
            bent = distorted(test, distort)
            for kind, artifact in artifacts.items():
                found[name, f"{kind}: reward kept, %"] = 100 * clicks(artifact, bent) / whole[kind]
            log = distorted(later, distort).log
            refitted, (report,) = recalibrate(
                Path(folder) / "calibrated", log, Path(folder) / "refitted"
            )
            kept = 100 * clicks(refitted, bent) / whole["calibrated"]
            found[name, "refitted by gerank calibrate: reward kept, %"] = kept
            found[name, "calibration error before"] = report.error_before
            found[name, "calibration error after"] = report.error_after
    return found


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(REPORTED_SEEDS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    found: dict[tuple[str, str], list[float]] = {}
    with progress(len(seeds), "calibration") as advance:
        for seed in seeds:
            for key, value in experiment(seed, arguments.quick).items():
                found.setdefault(key, []).append(value)
            advance()
    rows: list[Row] = [
        {"experiment": name, "figure": figure} | summary(values)
        for (name, figure), values in found.items()
    ]
    publish("calibration", rows, arguments, commit=tuple(seeds) == REPORTED_SEEDS)


if __name__ == "__main__":
    main()
