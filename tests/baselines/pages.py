"""Small pages for comparators, and pages with rules."""

from __future__ import annotations

import dataclasses
from itertools import pairwise

import numpy as np
import torch

from gerank.baselines.comparator import Pages
from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorConfig, simulate
from tests.train.tiny import SLOTS, tiny_log


def pages_of(log: ExposureLog, score: str | None = "ctr_score", slots: int = SLOTS) -> Pages:
    """The first 80 % of the pages teach, the others validate."""
    first = len(log) * 4 // 5
    rows = np.arange(len(log))
    return Pages(log, rows[:first], rows[first:], slots, score)


def tiny_pages(seed: int = 0) -> Pages:
    """320 pages of 6 candidates and 3 slots, and 80 that validate."""
    return pages_of(tiny_log(seed=seed)[0])


def wide_log(seed: int, pages: int = 40) -> ExposureLog:
    """Pages of 8 candidates and 5 slots of few sellers: rules have something to forbid."""
    config = SimulatorConfig(pages, candidates=8, slots=5, seed=seed, items=60, sellers=4)
    return simulate(config)[0]


def in_another_order(log: ExposureLog, seed: int) -> ExposureLog:
    """The same pages; the candidates of each stand elsewhere in the log."""
    rng = np.random.default_rng(seed)
    offsets = log.candidate_offsets
    order = np.concatenate(
        [first + rng.permutation(last - first) for first, last in pairwise(offsets)]
    )
    back = np.argsort(order)
    page = np.repeat(np.arange(len(log)), np.diff(log.slate_offsets))
    return dataclasses.replace(
        log,
        candidate={name: values[order] for name, values in log.candidate.items()},
        candidate_names=log.candidate_names[order],
        slates=back[offsets[page] + log.slates] - offsets[page],
    )


def names_of(log: ExposureLog, slates: torch.Tensor) -> list[list[str]]:
    """The items of slates [E, N] by their names."""
    return [
        [str(log.candidate_names[first + place]) for place in slate if place >= 0]
        for first, slate in zip(log.candidate_offsets, slates.tolist(), strict=False)
    ]
