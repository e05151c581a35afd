"""What the benchmarks of control share: simulated pages, the truth as feedback, short trainings.

With the truth in the evaluator's seat a figure speaks of control and exploration alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, SimulatorTruth, simulate
from gerank.nn.generator import Generator
from gerank.train.config import DataConfig, GeneratorConfig, TrainConfig, UtilityConfig
from gerank.train.feedback import TrueFeedback
from gerank.train.fit_features import fit_features
from gerank.train.generator_stage import GeneratorStage
from gerank.train.orders import generated_slates
from gerank.train.pages import as_requests
from gerank.train.reward import Reward, RewardStatistics, UtilityReward, reward_statistics
from gerank.train.run_folder import RunFolder

TEST_SEED_SHIFT = 5000
_PAGES_AT_ONCE = 512


@dataclass(frozen=True)
class Pages:
    """Simulated pages and what is true of them."""

    log: ExposureLog
    truth: SimulatorTruth

    @property
    def rows(self) -> np.ndarray:
        """All of them."""
        return np.arange(len(self.log))


def simulated(config: SimulatorConfig) -> Pages:
    return Pages(*simulate(config))


def train_and_test(config: SimulatorConfig, tests: int) -> tuple[Pages, Pages]:
    """Pages to learn from, and pages of other people who are shown the same catalogue."""
    other = replace(config, pages=tests, seed=config.seed + TEST_SEED_SHIFT)
    return simulated(config), simulated(other)


def true_reward(pages: Pages, reward: Mapping[str, UtilityConfig]) -> UtilityReward:
    """Utilities of slates of `pages`, clicks by the truth."""
    return UtilityReward(TrueFeedback(pages.truth), pages.log.schema, reward)


def statistics(
    pages: Pages, reward: Mapping[str, UtilityConfig], slots: int, seed: int
) -> RewardStatistics:
    return reward_statistics(true_reward(pages, reward), pages.log, pages.rows, slots, seed)


def train_generator(
    pages: Pages,
    reward: Mapping[str, UtilityConfig],
    config: GeneratorConfig,
    slots: int,
    seed: int,
    *,
    scales: Tensor | None = None,
    scored_by: Reward | None = None,
    calibrated: tuple[str, ...] = (),
) -> Generator:
    """A generator after all its epochs; no checkpoint is chosen.

    `scored_by` scores the slates in place of the truth.
    """
    settings = TrainConfig(
        DataConfig(Path(), slots=slots, calibrated=calibrated),
        generator=config,
        reward=dict(reward),
    )
    torch.manual_seed(seed)
    generator = RunFolder(Path(), settings, pages.log.schema, 512).new_generator()
    fit_features(generator.features, calibrated, pages.log, pages.rows)
    stage = GeneratorStage(
        generator,
        scored_by or true_reward(pages, reward),
        pages.log,
        pages.rows,
        pages.rows[:0],
        replace(config, min_steps=0),
        dict(reward),
        slots,
        seed,
        scales,
    )
    generator.train()
    for epoch in range(config.epochs):
        for _ in stage.train_epoch(epoch):
            pass
    return generator.eval()


def slates_of(
    generator: Generator,
    pages: Pages,
    slots: int,
    weights: Sequence[float],
    once: str | None = None,
) -> Tensor:
    """[E, N] greedy slates of all pages, with the same weights everywhere.

    `once`: a group key that every request puts a spacing rule on: no group twice on a page.
    """
    if once is None:
        return generated_slates(generator, pages.log, slots, torch.tensor(weights))
    log = pages.log
    every = torch.tensor(weights).expand(len(log), -1)
    batch = as_requests(log.batch(pages.rows), every, log.schema, slots=slots)
    spacing = batch.spacing.clone()
    spacing[:, log.schema.groups.index(once)] = torch.tensor([slots, 1])
    with torch.inference_mode():
        return generator.page_slates(batch._replace(spacing=spacing))


def utilities_of(pages: Pages, reward: Mapping[str, UtilityConfig], slates: Tensor) -> Tensor:
    """[E, U] of slates [E, N], clicks by the truth."""
    judge = true_reward(pages, reward)
    parts = []
    for first in range(0, len(pages.log), _PAGES_AT_ONCE):
        rows = pages.rows[first : first + _PAGES_AT_ONCE]
        parts.append(judge(rows, pages.log.batch(rows), slates[rows].unsqueeze(1)).squeeze(1))
    return torch.cat(parts).double()


def mean_utilities(
    pages: Pages, reward: Mapping[str, UtilityConfig], slates: Tensor
) -> list[float]:
    """[U] means over all pages."""
    means: list[float] = utilities_of(pages, reward, slates).mean(0).tolist()
    return means


def random_slates(pages: Pages, slots: int, seed: int) -> Tensor:
    """[E, N] in any order; every page has the same number of candidates."""
    rng = np.random.default_rng(seed)
    candidates = int(np.diff(pages.log.candidate_offsets)[0])
    noise = rng.random((len(pages.log), candidates))
    return torch.from_numpy(noise.argsort(axis=1)[:, :slots].copy())
