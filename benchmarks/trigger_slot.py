"""A trigger item on top: pinned inside decoding, or put in front of a slate made without it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from simulated import Pages, mean_utilities
from torch import Tensor

from gerank.nn.generator import Generator
from gerank.train.config import UtilityConfig
from gerank.train.pages import as_requests

NAMES = ("clicks", "category diversity", "ordering")
"""Rows name the utilities so."""


def trigger_slot(
    generator: Generator, pages: Pages, reward: Mapping[str, UtilityConfig], slots: int, seed: int
) -> dict[str, float]:
    """Utilities and seller diversity of both ways, the trigger a random candidate of each page."""
    candidates = int(np.diff(pages.log.candidate_offsets)[0])
    drawn = np.random.default_rng(seed).integers(candidates, size=len(pages.log))
    trigger = torch.from_numpy(drawn)
    weights = [utility.default for utility in reward.values()]
    pinned = _decoded(generator, pages, weights, slots, pin=trigger)
    rest = _decoded(generator, pages, weights, slots, without=trigger)
    inserted = torch.cat([trigger[:, None], rest[:, : slots - 1]], dim=1)
    found = {}
    for what, slates in (("pinned", pinned), ("inserted", inserted)):
        values = mean_utilities(pages, reward, slates)
        named = zip(NAMES, values, strict=True)
        found |= {f"{what}, {name}": value for name, value in named}
        found[f"{what}, seller diversity"] = _seller_diversity(pages, slates)
    return found


def _decoded(
    generator: Generator,
    pages: Pages,
    weights: list[float],
    slots: int,
    pin: Tensor | None = None,
    without: Tensor | None = None,
) -> Tensor:
    exposures = pages.log.batch(pages.rows)
    if without is not None:
        mask = exposures.candidate_mask.clone()
        mask[torch.arange(len(mask)), without] = False
        exposures = exposures._replace(candidate_mask=mask)
    every = torch.tensor(weights).expand(len(pages.log), -1)
    batch = as_requests(exposures, every, pages.log.schema, slots=slots)
    if pin is not None:
        pins = batch.pins.clone()
        pins[:, 0] = pin
        batch = batch._replace(pins=pins)
    with torch.inference_mode():
        return generator.page_slates(batch)


def _seller_diversity(pages: Pages, slates: Tensor) -> float:
    sellers = torch.from_numpy(pages.log.candidate["seller"].reshape(len(pages.log), -1))
    chosen = sellers.gather(1, slates).tolist()
    return float(np.mean([len(set(page)) / len(page) for page in chosen]))
