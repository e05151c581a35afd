"""What one model with weights per request can do that a model per weighting can.

Simulated pages of 12 candidates and 6 slots, clicks by the truth; three utilities: clicks, category
diversity, order of content types. One model per way of control (hypernetwork, the paper's linear
generator, weights as input) against nine generators that were each trained for one weighting, and
against the classical pipeline. Also: a trigger item pinned inside decoding against one inserted
afterwards. Means over five seeds of people, pages and training, with bootstrap intervals.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from classical_pipeline import pareto, rank, tried_on
from harness import Row, options, progress, publish
from simulated import (
    REPORTED_SEEDS,
    Pages,
    mean_utilities,
    random_slates,
    slates_of,
    statistics,
    summary,
    train_and_test,
    train_generator,
)
from trigger_slot import trigger_slot

from gerank.data.simulator import SimulatorConfig
from gerank.metrics.control import hypervolume, spearman
from gerank.nn.control import Control
from gerank.nn.generator import Generator
from gerank.train.config import Baseline, GeneratorConfig, UtilityConfig

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
SWEEP = np.linspace(0.0, 1.0, 9).tolist()
SETTINGS = 120

Found = dict[str, float]


class World:
    """One seed's pages, and what utilities are worth there."""

    def __init__(self, seed: int, pages: int, tests: int) -> None:
        config = SimulatorConfig(pages, CANDIDATES, SLOTS, seed=seed, sellers=SELLERS)
        self.seed = seed
        self.train, self.test = train_and_test(config, tests)
        self.scales = statistics(self.train, REWARD, SLOTS, seed).scale
        self.floor = mean_utilities(self.test, REWARD, random_slates(self.test, SLOTS, seed))

    def reward(self, weights: list[float], utilities: list[float]) -> float:
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


def settings_to_try() -> list[list[float]]:
    """Weights: the nine, and random ones."""
    drawn = np.random.default_rng(7).uniform(0, 1, (SETTINGS, len(REWARD)))
    return [*WEIGHTINGS, *drawn.round(3).tolist()]


def against_pipeline(world: World, generator: Generator) -> Found:
    """Tuned pipelines against weights, both chosen on training pages and compared on test pages.

    For every Pareto-best setting of the pipeline: of the weights that give at least its clicks on
    the training pages, those whose worse rule utility is furthest above the pipeline's; and of
    those that give at least its diversity, those with the most clicks.
    """
    some = np.arange(min(TESTS, len(world.train.log)))
    tuning = Pages(world.train.log.select(some), world.train.truth.select(some))
    points = tried_on(tuning, REWARD, PRIORITY, SLOTS)
    kept = pareto(points)
    settings = settings_to_try()
    tried = [
        mean_utilities(tuning, REWARD, slates_of(generator, tuning, SLOTS, weights))
        for weights in settings
    ]
    theirs = [
        mean_utilities(world.test, REWARD, rank(world.test, setting, PRIORITY, SLOTS))
        for setting in kept
    ]
    equal_clicks, equal_diversity = [], []
    for setting, reached in zip(kept, theirs, strict=True):
        goal = points[setting]
        by_rules = {i: min(u[1] - goal[1], u[2] - goal[2]) for i, u in enumerate(tried)}
        for ours, score, known in (
            (equal_clicks, by_rules, 0),
            (equal_diversity, {i: u[0] for i, u in enumerate(tried)}, 1),
        ):
            fit = {i: value for i, value in score.items() if tried[i][known] >= goal[known]}
            if fit:
                best = settings[max(fit, key=lambda i: fit[i])]
                ours.append((world.reached(generator, best), reached))
    return _compared(equal_clicks, equal_diversity, len(kept)) | {
        "diversity of weights (0, 1, 0), % of the most diverse pipeline": 100
        * world.reached(generator, [0.0, 1.0, 0.0])[1]
        / max(reached[1] for reached in theirs)
    }


Pair = tuple[list[float], list[float]]


def _compared(equal_clicks: list[Pair], equal_diversity: list[Pair], pipelines: int) -> Found:
    """Shares of all pipelines; one that no weights came up to in tuning counts as not beaten."""
    rules = [
        min(a - b for a, b in zip(ours[1:], other[1:], strict=True)) for ours, other in equal_clicks
    ]
    no_worse = [
        min(gains) >= -0.002 and max(gains) > 0
        for gains in ([ours[1] - other[1], ours[2] - other[2]] for ours, other in equal_clicks)
    ]
    clicks = [ours[0] - other[0] for ours, other in equal_clicks]
    more = [100 * (ours[0] / other[0] - 1) for ours, other in equal_diversity]
    diversity = [ours[1] - other[1] for ours, other in equal_diversity]
    found = {
        "pipelines compared": float(pipelines),
        "equal clicks: better on both rule utilities, % of pipelines": 100
        * sum(gain > 0 for gain in rules)
        / pipelines,
        "equal clicks: neither rule utility worse by 0.002, one better, % of pipelines": 100
        * sum(no_worse)
        / pipelines,
        "equal clicks: gain in the less improved rule utility": float(np.mean(rules)),
        "equal clicks: difference in clicks": float(np.mean(clicks)),
        "equal diversity: more clicks, % of pipelines": 100
        * sum(gain > 0 for gain in more)
        / pipelines,
        "equal diversity: clicks gained, %": float(np.mean(more)),
        "equal diversity: difference in diversity": float(np.mean(diversity)),
    }
    return {name: value for name, value in found.items() if math.isfinite(value)}


def experiment(seed: int, quick: bool) -> Iterator[tuple[str, str, Found]]:
    """(experiment, variant, figures) of one seed, and the plan's steps as they are done."""
    pages, tests, epochs = (1024, 300, 2) if quick else (PAGES, TESTS, EPOCHS)
    world = World(seed, pages, tests)
    fixed = []
    for weights in WEIGHTINGS:
        fixed.append(world.reached(fixed_generator(world, weights, epochs), weights))
        yield "step", "", {}
    for control in Control:
        generator = controlled_generator(world, control, epochs)
        yield "step", "", {}
        yield "sweep of each weight, Spearman", control, sweeps(world, generator)
        yield "against nine fixed", control, against_fixed(world, generator, fixed)[0]
        if control is Control.HYPERNETWORK:
            yield "against the classical pipeline", control, against_pipeline(world, generator)
            yield "trigger slot", control, trigger_slot(generator, world.test, REWARD, SLOTS, seed)


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--seeds", type=int, nargs="+", default=list(REPORTED_SEEDS))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    seeds = arguments.seeds[:1] if arguments.quick else arguments.seeds
    found: dict[tuple[str, str, str], list[float]] = {}
    with progress(len(seeds) * (len(WEIGHTINGS) + len(Control)), "control") as advance:
        for seed in seeds:
            for title, variant, figures in experiment(seed, arguments.quick):
                if title == "step":
                    advance()
                for name, value in figures.items():
                    found.setdefault((title, str(variant), name), []).append(value)
    rows: list[Row] = [
        {"experiment": title, "control": variant, "figure": name} | _cells(values)
        for (title, variant, name), values in found.items()
    ]
    publish("control", rows, arguments, commit=tuple(seeds) == REPORTED_SEEDS)


def _cells(values: list[float]) -> dict[str, Any]:
    return summary(values)


if __name__ == "__main__":
    main()
