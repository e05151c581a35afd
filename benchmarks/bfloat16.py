"""What bfloat16 changes of the slates of trained generators, and what that costs in reward.

Simulated pages of 20 candidates and 10 slots. Three kinds of generators are trained on what the
truth says of clicks: one for clicks alone; one with a weight per utility and request, by a
hypernetwork; and one of half the width with maps of its scores and weights as an input. Each is
written as an artifact, and answers pages of other people in float32 and in bfloat16. Told are the
shares of slates and of slots that stay as they are, and the mean reward by the truth. Weights are
drawn for every page within their ranges. Figures are means over five seeds with bootstrap
intervals.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from over_seeds import Figures, run_over_seeds
from simulated import Pages, statistics, train_and_test, train_generator, utilities_of
from torch import Tensor

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.simulator import SimulatorConfig
from gerank.export.artifact import write_artifact
from gerank.export.precision import answer
from gerank.nn.control import Control
from gerank.ranker import Ranker
from gerank.train.config import GeneratorConfig, UtilityConfig
from gerank.train.pages import as_requests

CANDIDATES, SLOTS = 20, 10
PAGES, TESTS, EPOCHS = 8192, 10000, 6
CLICKS = {"clicks": UtilityConfig()}
SEVERAL = {
    "clicks": UtilityConfig(0.0, 1.0, 0.5),
    "diversity": UtilityConfig(0.0, 1.0, 0.5, "diversity", {"group": "category"}),
}


@dataclass(frozen=True)
class Kind:
    """A kind of generator.

    Attributes:
        name: In rows.
        reward: Its utilities.
        config: Its sizes and training.
        calibrated: Scores with maps.
    """

    name: str
    reward: Mapping[str, UtilityConfig]
    config: GeneratorConfig
    calibrated: tuple[str, ...] = ()


SETTINGS = GeneratorConfig(batch_size=256, learning_rate=4e-3)
KINDS = (
    Kind("clicks alone", CLICKS, SETTINGS),
    Kind("weights, by a hypernetwork", SEVERAL, SETTINGS),
    Kind(
        "half as wide, maps, weights as input",
        SEVERAL,
        replace(SETTINGS, width=32, attention_width=32, control=Control.INPUT),
        ("ctr_score",),
    ),
)


def drawn_weights(kind: Kind, pages: int, seed: int) -> Tensor:
    """[E, U]."""
    share = torch.rand(pages, len(kind.reward), generator=torch.Generator().manual_seed(seed))
    low = torch.tensor([utility.min for utility in kind.reward.values()])
    high = torch.tensor([utility.max for utility in kind.reward.values()])
    return low + share * (high - low)


def loaded(
    kind: Kind, train: Pages, scales: Tensor, epochs: int, seed: int, folder: Path
) -> dict[str, Ranker]:
    """A trained generator in both precisions."""
    config = replace(kind.config, epochs=epochs)
    generator = train_generator(
        train, kind.reward, config, SLOTS, seed, scales=scales, calibrated=kind.calibrated
    )
    ranges = {name: WeightRange(u.min, u.max, u.default) for name, u in kind.reward.items()}
    contract = RequestContract(train.log.schema, 512, SLOTS, ranges)
    path = folder / "model.gerank"
    write_artifact(generator, contract, path, name="benchmark", training={})
    rankers = {name: Ranker.load(path, precision=name) for name in ("float32", "bfloat16")}
    if rankers["bfloat16"].precision != "bfloat16":
        sys.exit("this processor lacks AVX512_BF16, or GERANK_CPU forbids it")
    return rankers


def tried(kind: Kind, seed: int, quick: bool) -> Figures:
    """By (kind, how slots are filled, figure)."""
    pages, tests, epochs = (1024, 1000, 2) if quick else (PAGES, TESTS, EPOCHS)
    config = SimulatorConfig(pages, CANDIDATES, SLOTS, seed=seed)
    train, test = train_and_test(config, tests)
    scales = statistics(train, kind.reward, SLOTS, seed).scale
    weights = drawn_weights(kind, tests, seed)
    with tempfile.TemporaryDirectory() as folder:
        rankers = loaded(kind, train, scales, epochs, seed, Path(folder))
    exposures, found = test.log.batch(test.rows), {}
    for how, greedy in (("greedy", True), ("sampled", False)):
        batch = as_requests(exposures, weights, test.log.schema, slots=SLOTS, greedy=greedy)
        slates = {name: answer(ranker, batch).slates for name, ranker in rankers.items()}
        same = slates["float32"] == slates["bfloat16"]
        reached = {
            name: (weights * utilities_of(test, kind.reward, chosen) / scales).sum(1).mean().item()
            for name, chosen in slates.items()
        }
        change = reached["bfloat16"] / reached["float32"] - 1
        figures = {
            "equal slates, %": 100 * same.all(1).double().mean().item(),
            "equal slots, %": 100 * same.double().mean().item(),
            "reward, float32": reached["float32"],
            "reward, bfloat16": reached["bfloat16"],
            "change of reward, %": 100 * change,
        }
        found |= {(kind.name, how, figure): value for figure, value in figures.items()}
    return found


def experiment(seed: int, quick: bool) -> Iterator[Figures]:
    """Yields the figures of one seed, kind by kind."""
    for kind in KINDS:
        yield tried(kind, seed, quick)


if __name__ == "__main__":
    run_over_seeds("bfloat16", __doc__ or "", "choices", len(KINDS), experiment)
