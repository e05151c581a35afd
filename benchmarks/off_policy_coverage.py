"""How often intervals from logged clicks hold the truth, by how many effective pages they rest on.

Small simulated logs, drawn anew, whose propensities are known: sampled around a score, sorted with
a share of random pages, random, and sorted without exploration. On each, three re-rankers that do
not look at the logged order are estimated, and the simulator knows what they would earn. `overlap`
says whether the log can tell; the other rows show what its refusals prevent.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from harness import Row, options, progress, publish
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import Logging, SimulatorConfig, simulate
from gerank.metrics.intervals import Interval, mean_interval
from gerank.metrics.off_policy import CanTell, Overlap, overlap
from gerank.train.logged_clicks import WeightedValues, page_values
from gerank.train.orders import score_slates
from gerank.train.report import ratio_cell

FIRST_SEED = 9000
_BINS = (0.0, 10.0, 30.0, 100.0, np.inf)


class Log(NamedTuple):
    """A kind of log that is drawn anew, time after time."""

    logging: Logging
    explore: float
    candidates: int
    slots: int
    pages: int


LOGS = (
    Log(Logging.SAMPLED, 0.0, 8, 3, 400),
    Log(Logging.SAMPLED, 0.0, 8, 2, 1500),
    Log(Logging.MIXED, 0.3, 8, 3, 400),
    Log(Logging.MIXED, 0.3, 8, 2, 2000),
    Log(Logging.MIXED, 0.1, 8, 3, 400),
    Log(Logging.MIXED, 1.0, 6, 2, 600),
    Log(Logging.MIXED, 1.0, 10, 5, 400),
    Log(Logging.DETERMINISTIC, 0.0, 8, 2, 1000),
)


@dataclass(frozen=True)
class Estimate:
    """One re-ranker on one log.

    Attributes:
        found: What the weights say.
        ips: Whether the 95 % interval of IPS holds the truth.
        self_normalised: The same of the self-normalised estimate; None where it has no interval.
    """

    found: Overlap
    ips: bool
    self_normalised: bool | None


def estimates(log: Log, seed: int) -> list[Estimate]:
    """The re-rankers on one log of the kind."""
    size = {"candidates": log.candidates, "slots": log.slots, "seed": seed}
    pages, truth = simulate(
        SimulatorConfig(log.pages, logging=log.logging, explore=log.explore, **size)
    )
    slates = targets(pages, log.slots)
    rows, people = np.arange(len(pages)), np.asarray(pages.person_ids)
    found = []
    for name, values in page_values(slates, None, pages).items():
        true = float(truth.expected_clicks(rows, slates[name]).double().mean())
        assert values.weighted is not None  # simulated logs know their propensities
        found.append(_judged(values.weighted, people, true, seed))
    return found


def targets(log: ExposureLog, slots: int) -> dict[str, torch.Tensor]:
    """Slates [E, N] of re-rankers that know the features alone."""
    sort = score_slates(log, "ctr_score", slots)
    swapped = sort.clone()
    swapped[:, [slots - 2, slots - 1]] = sort[:, [slots - 1, slots - 2]]
    return {
        "score": sort,
        "popularity": score_slates(log, "popularity", slots),
        "score, last two swapped": swapped,
    }


def _judged(
    weighted: WeightedValues, people: NDArray[np.str_], truth: float, seed: int
) -> Estimate:
    ips = mean_interval(weighted.ips, people, seed=seed)
    ratio = ratio_cell(*weighted.snips, people)
    return Estimate(
        overlap(weighted.weights, weighted.target_slots, people, seed=seed),
        ips.low <= truth <= ips.high,
        ratio.low <= truth <= ratio.high if isinstance(ratio, Interval) else None,
    )


def row_of(experiment: str, part: str, found: list[Estimate]) -> Row:
    """How often the intervals of some estimates hold the truth."""
    ratios = [each.self_normalised for each in found if each.self_normalised is not None]
    return {
        "experiment": experiment,
        "estimates": part,
        "number": len(found),
        "IPS holds the truth, %": 100 * float(np.mean([each.ips for each in found])),
        "self-normalised, %": 100 * float(np.mean(ratios)) if ratios else None,
    }


def main() -> None:
    arguments = options(__doc__).parse_args()
    draws = 2 if arguments.quick else 40
    found: list[Estimate] = []
    with progress(draws * len(LOGS), "logs") as step:
        for log in LOGS:
            for draw in range(draws):
                found += estimates(log, FIRST_SEED + draw)
                step()
    rows = []
    for told in CanTell:
        part = [each for each in found if each.found.can_tell is told]
        if part:
            rows.append(row_of("by what the log can tell", str(told), part))
    consistent = [each for each in found if each.found.can_tell in (CanTell.YES, CanTell.TOO_FEW)]
    for low, high in itertools.pairwise(_BINS):
        part = [each for each in consistent if low <= each.found.effective_pages < high]
        if part:
            bounds = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} and more"
            rows.append(row_of("by effective pages", bounds, part))
    publish("off_policy_coverage", rows, arguments)


if __name__ == "__main__":
    main()
