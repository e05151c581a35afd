"""Random network distillation on deceptive pages, and PPO beside REINFORCE.

Deceptive pages have 12 candidates and 4 slots; the four least attractive candidates are a bundle
(flag `fresh`), and a slate that shows the whole bundle gets 3 clicks more. One, two or three of
them only cost clicks, so that a policy which follows its samples leaves the bundle; the best slate
of every page is the bundle. PPO and REINFORCE learn clicks on pages of 12 candidates and 6 slots
from the same number of roll-outs. The truth tells the clicks of greedy slates on pages of other
people; figures are means over five seeds with bootstrap intervals.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from over_seeds import Figures, run_over_seeds
from simulated import (
    Pages,
    mean_utilities,
    slates_of,
    train_and_test,
    train_generator,
)
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.data.simulator import SimulatorConfig
from gerank.train.choices import Baseline, Exploration, PolicyLoss
from gerank.train.config import GeneratorConfig, UtilityConfig

BUNDLE, SLOTS, BONUS = 4, 4, 3.0
PAGES, TESTS, EPOCHS = 4096, 2000, 20
CLICKS = {"clicks": UtilityConfig()}
GENERATOR = GeneratorConfig(
    width=32,
    attention_width=32,
    embedding_width=4,
    batch_size=256,
    slates_per_request=4,
    baseline=Baseline.LEAVE_ONE_OUT,
    learning_rate=3e-3,
)
EXPLORERS = {
    "sampling": {},
    "sampling, entropy bonus": {"entropy_bonus": 0.05},
    "random network": {"exploration": Exploration.RANDOM_NETWORK, "novelty_weight": 1.0},
}
LEARNERS = {
    "reinforce": {"policy_loss": PolicyLoss.REINFORCE, "learning_rate": 4e-3},
    "ppo, 4 steps per roll-out": {"policy_loss": PolicyLoss.PPO, "learning_rate": 4e-3},
}
ROLLOUTS = (64, 128)


class BundleReward:
    """True clicks, and the bonus of a whole bundle."""

    def __init__(self, pages: Pages) -> None:
        self.pages = pages

    def __call__(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """See `gerank.train.reward.Reward`."""
        clicks = self.pages.truth.expected_clicks(rows, slates)
        bundle = bundle_of(self.pages)[rows].unsqueeze(1).expand(-1, slates.size(1), -1)
        shown = bundle.gather(2, slates.clamp(min=0)) * (slates >= 0)
        return (clicks + BONUS * (shown.sum(-1) == BUNDLE)).unsqueeze(-1)


def bundle_of(pages: Pages) -> Tensor:
    """[E, M] int64: 1 for the members of a page's bundle."""
    return torch.from_numpy(pages.log.candidate["fresh"].reshape(len(pages.log), -1))


def deceptive(pages: Pages) -> Pages:
    """The flag `fresh` now tells the bundle: it enters no click, so no truth changes."""
    attraction = pages.truth.attraction
    members = attraction.topk(BUNDLE, largest=False).indices
    flags = torch.zeros_like(attraction, dtype=torch.int64).scatter_(1, members, 1)
    fresh = flags.flatten().numpy()
    log = replace(pages.log, candidate=dict(pages.log.candidate) | {"fresh": fresh})
    return Pages(log, pages.truth)


def explored(seed: int, quick: bool) -> dict[str, dict[str, float]]:
    """Explorer -> reward per page, share of pages that show the bundle."""
    pages, tests, epochs = (512, 200, 2) if quick else (PAGES, TESTS, EPOCHS)
    config = SimulatorConfig(pages, 12, SLOTS, seed=seed)
    train, test = (deceptive(part) for part in train_and_test(config, tests))
    found = {}
    for name, changes in EXPLORERS.items():
        settings = replace(GENERATOR, epochs=epochs, **changes)
        reward = BundleReward(train)
        generator = train_generator(train, CLICKS, settings, SLOTS, seed, scored_by=reward)
        slates = slates_of(generator, test, SLOTS, [1.0])
        value = BundleReward(test)(test.rows, test.log.batch(test.rows), slates.unsqueeze(1))
        whole = bundle_of(test).gather(1, slates).sum(1) == BUNDLE
        found[name] = {
            "reward per page": value.double().mean().item(),
            "pages that show the bundle, %": 100 * whole.double().mean().item(),
        }
    return found


def learned(seed: int, quick: bool) -> dict[str, dict[str, float]]:
    """Learner -> clicks per page after so many roll-outs of 256 requests and 4 slates."""
    rollouts = (4,) if quick else ROLLOUTS
    config = SimulatorConfig(512 if quick else 8192, 12, 6, seed=seed)
    train, test = train_and_test(config, 200 if quick else TESTS)
    found: dict[str, dict[str, float]] = {}
    for name, changes in LEARNERS.items():
        found[name] = {}
        for count in rollouts:
            rows = train.rows[: 256 * min(count, 32)]
            some = Pages(train.log.select(rows), train.truth.select(rows))
            settings = replace(GENERATOR, epochs=max(1, count // 32), **changes)
            generator = train_generator(some, CLICKS, settings, 6, seed)
            clicks = mean_utilities(test, CLICKS, slates_of(generator, test, 6, [1.0]))[0]
            found[name][f"clicks per page after {count} roll-outs"] = clicks
    return found


def experiment(seed: int, quick: bool) -> Iterator[Figures]:
    """Yields the figures of one seed, part by part."""
    for title, part in PARTS.items():
        yield {
            (title, name, figure): value
            for name, figures in part(seed, quick).items()
            for figure, value in figures.items()
        }


PARTS = {"deceptive pages": explored, "policy losses": learned}

if __name__ == "__main__":
    run_over_seeds("exploration", __doc__ or "", "what", len(PARTS), experiment)
