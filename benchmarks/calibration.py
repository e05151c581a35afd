"""A new upstream model that is a rising function of the old one, and `gerank calibrate`.

Simulated pages of 12 candidates and 6 slots; a generator is trained on calibrated click scores.
Then the score is distorted in logs and requests alike. A row tells the reward of the same artifact
before and after its map is refitted to 4,000 distorted pages, relative to the undistorted, and that
of a generator without maps. One case has all features and the reward of clicks alone; in the other
the score is all that is known of an item's appeal, and is weighed against its margin. The truth
tells clicks on pages of other people; figures are means over five seeds with bootstrap intervals.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import score_and_margin
import torch
from numpy.typing import NDArray
from over_seeds import Figures, run_over_seeds
from simulated import (
    TEST_SEED_SHIFT,
    Pages,
    mean_utilities,
    simulated,
    statistics,
    train_and_test,
    train_generator,
)

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.simulator import SimulatorConfig
from gerank.export.artifact import Artifact, write_artifact
from gerank.export.recalibrate import recalibrate
from gerank.train.choices import Baseline
from gerank.train.config import GeneratorConfig, UtilityConfig
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
    "underconfident: logit times 0.3": lambda p: _odds(0.3 * np.log(p / (1 - p))),
}


def _odds(logit: Scores) -> Scores:
    return 1 / (1 + np.exp(-logit))


@dataclass(frozen=True)
class Case:
    """Pages and what they are ranked for.

    Attributes:
        name: In rows.
        reward: Utilities with fixed weights; two or more are normalised as in training.
        prepare: What becomes of simulated pages, with a seed of its own for each set of pages.
    """

    name: str
    reward: Mapping[str, UtilityConfig]
    prepare: Callable[[Pages, int], Pages]

    @property
    def weights(self) -> list[float]:
        """[U]."""
        return [utility.default for utility in self.reward.values()]


CASES = (
    Case("every feature, clicks alone", CLICKS, lambda pages, seed: pages),
    Case("score and margin", score_and_margin.REWARD, score_and_margin.with_margin),
)


def distorted(pages: Pages, distort: Callable[[Scores], Scores]) -> Pages:
    """The same pages as the new upstream model would have scored them."""
    scores = distort(pages.log.candidate[SCORE].astype(np.float64)).astype(np.float32)
    log = replace(pages.log, candidate=dict(pages.log.candidate) | {SCORE: scores})
    return Pages(log, pages.truth)


class Trial:
    """One case on one seed: what it learns from, is tested on and is refitted to."""

    def __init__(self, case: Case, seed: int, sizes: tuple[int, int, int]) -> None:
        pages, tests, fresh = sizes
        config = SimulatorConfig(pages, 12, SLOTS, seed=seed)
        train, test = train_and_test(config, tests)
        later = simulated(replace(config, pages=fresh, seed=seed + 2 * TEST_SEED_SHIFT))
        self.case, self.seed = case, seed
        self.train = case.prepare(train, seed)
        self.test = case.prepare(test, seed + TEST_SEED_SHIFT)
        self.later = case.prepare(later, seed + 2 * TEST_SEED_SHIFT)
        scale = statistics(self.train, case.reward, SLOTS, seed).scale
        self.scales = scale if len(case.reward) > 1 else torch.ones(1)

    def reward(self, artifact: Artifact, pages: Pages) -> float:
        """R_w of the artifact's greedy slates, clicks by the truth: a mean per page."""
        exposures = pages.log.batch(pages.rows)
        weights = torch.tensor(self.case.weights).expand(len(pages.log), -1)
        batch = as_requests(exposures, weights, pages.log.schema, slots=SLOTS)
        reached = mean_utilities(pages, self.case.reward, artifact.rerank(batch).slates)
        terms = zip(self.case.weights, reached, self.scales.tolist(), strict=True)
        return sum(weight * utility / scale for weight, utility, scale in terms)

    def trained(self, calibrated: tuple[str, ...], epochs: int, path: Path) -> Artifact:
        """An artifact with maps for the scores `calibrated`."""
        reward, log = self.case.reward, self.train.log
        config = replace(GENERATOR, epochs=epochs)
        generator = train_generator(
            self.train, reward, config, SLOTS, self.seed, scales=self.scales, calibrated=calibrated
        )
        ranges = {name: WeightRange(u.min, u.max, u.default) for name, u in reward.items()}
        contract = RequestContract(log.schema, 512, SLOTS, ranges)
        return write_artifact(generator, contract, path, name="benchmark", training={})


def tried(case: Case, seed: int, quick: bool) -> Figures:
    """By (distortion, pages, figure)."""
    sizes, epochs = ((1024, 300, 500), 2) if quick else ((PAGES, TESTS, FRESH), EPOCHS)
    trial = Trial(case, seed, sizes)
    found: dict[tuple[str, str, str], float] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        artifacts = {
            kind: trial.trained(scores, epochs, folder / kind)
            for kind, scores in (("without maps", ()), ("calibrated", (SCORE,)))
        }
        whole = {kind: trial.reward(artifact, trial.test) for kind, artifact in artifacts.items()}
        for kind, value in whole.items():
            found["undistorted", case.name, f"reward per page, {kind}"] = value
        for name, distort in DISTORTIONS.items():
            bent = distorted(trial.test, distort)
            figures = {
                f"{kind}: reward kept, %": 100 * trial.reward(artifact, bent) / whole[kind]
                for kind, artifact in artifacts.items()
            }
            log = distorted(trial.later, distort).log
            refitted, (report,) = recalibrate(folder / "calibrated", log, folder / "refitted")
            kept = 100 * trial.reward(refitted, bent) / whole["calibrated"]
            figures["refitted by gerank calibrate: reward kept, %"] = kept
            figures["calibration error before"] = report.error_before
            figures["calibration error after"] = report.error_after
            found |= {(name, case.name, figure): value for figure, value in figures.items()}
    return found


def experiment(seed: int, quick: bool) -> Iterator[Figures]:
    """Yields the figures of one seed, case by case."""
    for case in CASES:
        yield tried(case, seed, quick)


if __name__ == "__main__":
    run_over_seeds("calibration", __doc__ or "", "pages", len(CASES), experiment)
