"""What one model with weights per request can do that a model per weighting can.

Simulated pages have 12 candidates and 6 slots, and the truth tells clicks; the three utilities are
clicks, category diversity and order of content types. One model per way of control (hypernetwork,
the paper's linear generator, weights as input) is compared with nine generators that were each
trained for one weighting, and one that was trained longer with the classical pipeline, with
settings of both chosen on pages of their own. A trigger item pinned inside decoding is compared
with one inserted afterwards. Figures are means over five seeds of people, pages and training, with
bootstrap intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
from against_pipeline import Contest, Found, Task, Weights
from over_seeds import Figures, run_over_seeds
from simulated import (
    TEST_SEED_SHIFT,
    mean_utilities,
    random_slates,
    simulated,
    slates_of,
    statistics,
    train_and_test,
    train_generator,
)
from trigger_slot import trigger_slot

from gerank.data.simulator import SimulatorConfig
from gerank.metrics.control import hypervolume, spearman
from gerank.nn.control import Control
from gerank.nn.generator import Generator
from gerank.train.choices import Baseline
from gerank.train.config import GeneratorConfig, UtilityConfig

CANDIDATES, SLOTS, SELLERS = 12, 6, 40
PRIORITY = {"live": 3.0, "video": 2.0, "product": 1.0, "article": 0.0}
REWARD = {
    "clicks": UtilityConfig(0.0, 1.0, 0.5),
    "diversity": UtilityConfig(0.0, 1.0, 0.5, "diversity", {"group": "category"}),
    "ordering": UtilityConfig(
        0.0, 1.0, 0.5, "group_ordering", {"group": "content_type", "priority": PRIORITY}
    ),
}
WEIGHTINGS = [
    [1.0, 0.0, 0.0],
    [0.0, 1.0, 0.0],
    [0.0, 0.0, 1.0],
    [0.5, 0.5, 0.0],
    [0.5, 0.0, 0.5],
    [0.0, 0.5, 0.5],
    [0.5, 0.5, 0.5],
    [0.8, 0.2, 0.2],
    [0.4, 0.8, 0.4],
]
GENERATOR = GeneratorConfig(
    width=32,
    attention_width=32,
    embedding_width=4,
    batch_size=128,
    slates_per_request=4,
    baseline=Baseline.LEAVE_ONE_OUT,
    learning_rate=4e-3,
    default_share=0.1,
)
PAGES, TESTS = 8192, 2000
EPOCHS = 9
LONGER_BY = 3
LONGER = "hypernetwork, three times as long"
SWEEP = np.linspace(0.0, 1.0, 9).tolist()
SETTINGS = 100


class World:
    """One seed's pages to learn from, to choose settings on and to test, each of other people."""

    def __init__(self, seed: int, pages: int, tests: int) -> None:
        config = SimulatorConfig(pages, CANDIDATES, SLOTS, seed=seed, sellers=SELLERS)
        self.seed = seed
        self.train, self.test = train_and_test(config, tests)
        again = replace(config, pages=tests, seed=seed + 2 * TEST_SEED_SHIFT)
        self.tuning = simulated(again)
        self.scales = statistics(self.train, REWARD, SLOTS, seed).scale
        self.floor = mean_utilities(self.test, REWARD, random_slates(self.test, SLOTS, seed))

    def reward(self, weights: Sequence[float], utilities: list[float]) -> float:
        """R_w of mean utilities."""
        terms = zip(weights, utilities, self.scales.tolist(), strict=True)
        return sum(weight * utility / scale for weight, utility, scale in terms)

    def reached(self, generator: Generator, weights: list[float]) -> list[float]:
        """[U] means on the test pages."""
        return mean_utilities(self.test, REWARD, slates_of(generator, self.test, SLOTS, weights))


def fixed_generator(world: World, weights: list[float], epochs: int) -> Generator:
    """Trained for one weighting."""
    reward = {
        name: replace(utility, min=weight, max=weight, default=weight)
        for (name, utility), weight in zip(REWARD.items(), weights, strict=True)
    }
    config = replace(GENERATOR, epochs=epochs)
    return train_generator(world.train, reward, config, SLOTS, world.seed, scales=world.scales)


def controlled_generator(world: World, control: Control, epochs: int) -> Generator:
    """Trained for all weightings."""
    config = replace(GENERATOR, epochs=epochs, control=control)
    return train_generator(world.train, REWARD, config, SLOTS, world.seed, scales=world.scales)


def sweeps(world: World, generator: Generator) -> Found:
    """Spearman correlation of each weight with its utility, the other weights at 0.5."""
    found = {}
    for index, name in enumerate(REWARD):
        values = []
        for weight in SWEEP:
            weights = [0.5] * len(REWARD)
            weights[index] = weight
            values.append(world.reached(generator, weights)[index])
        found[name] = spearman(SWEEP, values)
    return found


def against_fixed(
    world: World, generator: Generator, fixed: list[list[float]]
) -> tuple[Found, list[list[float]]]:
    """Regret and hypervolume of one model against those trained for each weighting."""
    own = [world.reached(generator, weights) for weights in WEIGHTINGS]
    regrets, of_gain = [], []
    for weights, ours, theirs in zip(WEIGHTINGS, own, fixed, strict=True):
        best, reached = world.reward(weights, theirs), world.reward(weights, ours)
        floor = world.reward(weights, world.floor)
        regrets.append(100 * (best - reached) / best)
        of_gain.append(100 * (best - reached) / (best - floor))
    volume = hypervolume(own, world.floor) / hypervolume(fixed, world.floor)
    return {
        "mean regret, % of reward": float(np.mean(regrets)),
        "worst regret, % of reward": max(regrets),
        "mean regret, % of the gain over random slates": float(np.mean(of_gain)),
        "hypervolume, % of the nine": 100 * volume,
    }, own


def settings_to_try(each: int) -> list[Weights]:
    """Weights to choose from: the nine, random ones, and random ones near the corners."""
    rng = np.random.default_rng(7)
    shape = (each, len(REWARD))
    drawn = np.concatenate([rng.uniform(0, 1, shape), rng.beta(0.4, 0.4, shape)]).round(3)
    return [tuple(weights) for weights in [*WEIGHTINGS, *drawn.tolist()]]


def against_pipeline(world: World, generator: Generator, each: int) -> Iterator[tuple[str, Found]]:
    """Figures against all Pareto-best settings of the pipeline, and against the tuned ones."""
    task = Task(world.tuning, world.test, REWARD, PRIORITY, SLOTS)
    contest = Contest(generator, task, settings_to_try(each))
    yield "against the classical pipeline, every Pareto-best setting", contest.pareto()
    for weights in WEIGHTINGS:
        if min(weights) > 0:
            title = f"against the classical pipeline tuned for weights {weights}"
            yield title, contest.tuned(tuple(weights), world.reward)


def experiment(seed: int, quick: bool) -> Iterator[Figures]:
    """Yields the figures of one seed, model by model."""
    pages, tests, epochs = (1024, 300, 2) if quick else (PAGES, TESTS, EPOCHS)
    longer, settings = (1, 20) if quick else (LONGER_BY, SETTINGS)
    world = World(seed, pages, tests)
    fixed = []
    for weights in WEIGHTINGS:
        fixed.append(world.reached(fixed_generator(world, weights, epochs), weights))
        yield {}
    for control in Control:
        generator = controlled_generator(world, control, epochs)
        found = {
            "sweep of each weight, Spearman": sweeps(world, generator),
            "against nine fixed": against_fixed(world, generator, fixed)[0],
        }
        if control is Control.HYPERNETWORK:
            found["trigger slot"] = trigger_slot(generator, world.test, REWARD, SLOTS, seed)
        yield _named(str(control), found)
    generator = controlled_generator(world, Control.HYPERNETWORK, longer * epochs)
    yield _named(LONGER, dict(against_pipeline(world, generator, settings)))


def _named(variant: str, found: dict[str, Found]) -> Figures:
    return {
        (title, variant, name): value
        for title, figures in found.items()
        for name, value in figures.items()
    }


STEPS = len(WEIGHTINGS) + len(Control) + 1

if __name__ == "__main__":
    run_over_seeds("control", __doc__ or "", "control", STEPS, experiment)
