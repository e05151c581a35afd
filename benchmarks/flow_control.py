"""Flow control gated by the batch against the page form: is the target hit, and what does it cost?

Simulated pages have 16 candidates and 5 slots, and the truth tells clicks. The controlled group is
the long tail: the 40 % least popular items of the catalogue, which a generator of clicks alone
shows in about a tenth of the slots. Shares and clicks are of greedy slates on pages of other
people. They are means over five seeds with bootstrap intervals.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from harness import Row, progress
from over_seeds import publish_seeds, seed_options, summary
from simulated import (
    Pages,
    mean_utilities,
    slates_of,
    train_and_test,
    train_generator,
)
from torch import Tensor

from gerank.data.simulator import SimulatorConfig
from gerank.train.choices import Baseline
from gerank.train.config import GeneratorConfig, UtilityConfig

CANDIDATES, SLOTS = 16, 5
LONG_TAIL = 0.4
TARGETS = (0.1, 0.2, 0.3, 0.4)
FLOW_WEIGHT = 0.5
PAGES, TESTS, EPOCHS = 16384, 12000, 10
CLICKS = {"clicks": UtilityConfig()}
GENERATOR = GeneratorConfig(
    width=32,
    attention_width=32,
    embedding_width=4,
    batch_size=1024,
    slates_per_request=4,
    baseline=Baseline.LEAVE_ONE_OUT,
    learning_rate=6e-3,
)
"""The gate sees the share of a batch, whose noise a policy answers with a share above the target:
with 256 pages per batch by 1.6 points on its own training pages (seed 101, target 40 %)."""


def reward_of(target: float, gate: str) -> dict[str, UtilityConfig]:
    """Clicks, and the long tail's share of the traffic."""
    settings = {"flag": "cold_start", "share_target": target, "gate": gate}
    weight = FLOW_WEIGHT
    return CLICKS | {"flow": UtilityConfig(weight, weight, weight, "flow_control", settings)}


def with_long_tail(pages: Pages, threshold: float) -> Pages:
    """The flag `cold_start` now tells the long tail: it enters no click, so no truth changes."""
    tail = (pages.log.candidate["popularity"] < threshold).astype(np.int64)
    log = replace(pages.log, candidate=dict(pages.log.candidate) | {"cold_start": tail})
    return Pages(log, pages.truth)


def share_of(pages: Pages, slates: Tensor) -> float:
    """Returns the share of the long tail among all slots, 0..1."""
    tail = torch.from_numpy(pages.log.candidate["cold_start"].reshape(len(pages.log), -1))
    return tail.gather(1, slates).double().mean().item()


def experiment(seed: int, pages: int, tests: int) -> tuple[Pages, Pages]:
    """Pages to learn from and to test on."""
    config = SimulatorConfig(pages, CANDIDATES, SLOTS, seed=seed)
    train, test = train_and_test(config, tests)
    threshold = float(np.quantile(train.log.candidate["popularity"], LONG_TAIL))
    return with_long_tail(train, threshold), with_long_tail(test, threshold)


def reached(
    train: Pages, test: Pages, target: float | None, gate: str, seed: int, epochs: int
) -> dict[str, float]:
    """Share and clicks of a generator trained for one target; None = clicks alone."""
    reward = CLICKS if target is None else reward_of(target, gate)
    config = replace(GENERATOR, epochs=epochs)
    generator = train_generator(train, reward, config, SLOTS, seed)
    weights = [utility.default for utility in reward.values()]
    slates = slates_of(generator, test, SLOTS, weights)
    return {"share": share_of(test, slates), "clicks": mean_utilities(test, CLICKS, slates)[0]}


def main() -> None:
    arguments, seeds = seed_options(__doc__ or "")
    pages, tests, epochs = (1024, 300, 2) if arguments.quick else (PAGES, TESTS, EPOCHS)
    plan: list[tuple[float | None, str]] = [(None, "none")]
    plan += [(target, gate) for target in TARGETS for gate in ("batch", "page")]
    found: dict[tuple[float | None, str], list[dict[str, float]]] = {step: [] for step in plan}
    with progress(len(seeds) * len(plan), "flow control") as advance:
        for seed in seeds:
            train, test = experiment(seed, pages, tests)
            for target, gate in plan:
                found[target, gate].append(reached(train, test, target, gate, seed, epochs))
                advance()
    publish_seeds("flow_control", rows_of(found), arguments)


def rows_of(found: dict[tuple[float | None, str], list[dict[str, float]]]) -> list[Row]:
    """Share reached, its distance from the target, and the clicks given up, each over seeds."""
    free = [figures["clicks"] for figures in found[None, "none"]]
    rows: list[Row] = []
    for (target, gate), per_seed in found.items():
        shares = [100 * figures["share"] for figures in per_seed]
        lost = [
            100 * (1 - figures["clicks"] / clicks)
            for figures, clicks in zip(per_seed, free, strict=True)
        ]
        figures = {"share, %": shares, "clicks given up, %": lost}
        if target is not None:
            distances = [abs(share - 100 * target) for share in shares]
            figures["distance from target, points"] = distances
        name = "clicks alone" if target is None else f"target {100 * target:.0f} %"
        rows += [
            {"experiment": name, "gate": gate, "figure": figure} | summary(values)
            for figure, values in figures.items()
        ]
    return rows


if __name__ == "__main__":
    main()
