"""The observed side of the simulator: the noisy features that a log shows of the latent world."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.feature import named_id
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.data.simulator.world import CATEGORIES, CONTENT_TYPES, TASTE_WIDTH, Catalogue, People

SEGMENTS = 8
"""Coarse classes of people, by the signs of their first three observed tastes."""


@dataclass(frozen=True)
class ObservationNoise:
    """Spread of the noise in each observed feature; the latent values have a spread near 1.

    Attributes:
        person_taste: Applies per dimension and is fixed per person.
        item_taste: Applies per dimension and is fixed per item.
        popularity: Spreads an item's observed popularity around its quality.
        activity: Spreads a person's observed activity; it is fixed per person.
        intent: Spreads a page's observed intent.
        ctr_score: Spreads the click-through score's logit around attraction.
        cold_start: Adds noise to that logit for an item that upstream hardly knows.
        value_score: Spreads the value score around affinity.
    """

    person_taste: float = 0.1
    item_taste: float = 0.08
    popularity: float = 0.12
    activity: float = 0.4
    intent: float = 0.4
    ctr_score: float = 0.18
    cold_start: float = 0.15
    value_score: float = 0.15

    def __post_init__(self) -> None:
        for field in fields(self):
            if not 0 <= getattr(self, field.name) < math.inf:
                value = getattr(self, field.name)
                raise ValueError(f"{field.name} noise is {value}, not a finite number >= 0")


_COLD_START_LOSS = 0.4  # upstream underrates what it does not know
_SUREST = 15.0  # logit of a score whose float32 is still inside (0, 1)


def simulator_schema(sellers: int) -> FeatureSchema:
    """The features of every simulated log."""
    return FeatureSchema(
        user=(
            *(_dense(f"taste_{axis}") for axis in range(TASTE_WIDTH)),
            _dense("activity"),
            _dense("intent"),
            named_id("segment", tuple(f"segment-{index}" for index in range(SEGMENTS))),
        ),
        candidate=(
            _dense("ctr_score"),
            _dense("value_score"),
            _dense("popularity"),
            *(_dense(f"style_{axis}") for axis in range(TASTE_WIDTH)),
            named_id("seller", tuple(f"seller-{index:03d}" for index in range(sellers))),
            named_id("category", CATEGORIES),
            named_id("content_type", CONTENT_TYPES),
            named_id("cold_start", ("no", "yes")),
            named_id("fresh", ("no", "yes")),
        ),
        groups=("seller", "category", "content_type"),
        flags=("cold_start", "fresh"),
    )


def observe_people(
    generator: np.random.Generator, people: People, noise: ObservationNoise
) -> dict[str, NDArray[Any]]:
    """User features that are fixed per person, each [persons]: all but `intent`."""
    taste = _blur(generator, people.taste, noise.person_taste)
    segment = (taste[:, :3] > 0) @ np.array([1, 2, 4])
    columns: dict[str, NDArray[Any]] = {f"taste_{k}": taste[:, k] for k in range(TASTE_WIDTH)}
    columns["activity"] = _blur(generator, people.activity, noise.activity)
    return columns | {"segment": segment.astype(np.int64)}


def observe_items(
    generator: np.random.Generator, catalogue: Catalogue, noise: ObservationNoise
) -> dict[str, NDArray[Any]]:
    """Candidate features that are fixed per item, each [items]: all but the upstream scores."""
    style = _blur(generator, catalogue.taste, noise.item_taste)
    columns: dict[str, NDArray[Any]] = {f"style_{k}": style[:, k] for k in range(TASTE_WIDTH)}
    return columns | {
        "popularity": _blur(generator, catalogue.quality, noise.popularity),
        "seller": catalogue.seller,
        "category": catalogue.category,
        "content_type": catalogue.content_type,
        "cold_start": catalogue.cold_start.astype(np.int64),
        "fresh": catalogue.fresh.astype(np.int64),
    }


def observe_scores(
    generator: np.random.Generator,
    attraction: NDArray[np.float32],
    fit: NDArray[np.float32],
    cold_start: NDArray[np.bool_],
    noise: ObservationNoise,
) -> dict[str, NDArray[np.float32]]:
    """The two upstream scores of every candidate of every page.

    Args:
        generator: Source of the noise.
        attraction: [E, M]. Latent, in logits.
        fit: [E, M]. Latent affinity of person and item.
        cold_start: [E, M]. True where upstream hardly knows the item.
        noise: Spreads.

    Returns:
        `ctr_score`, inside (0, 1), and `value_score`, each [E, M] float32.
    """
    spread = (noise.ctr_score + noise.cold_start * cold_start).astype(np.float32)
    error = spread * generator.standard_normal(attraction.shape, dtype=np.float32)
    logits = attraction + error - _COLD_START_LOSS * cold_start - 2.5
    logits = logits.clip(-_SUREST, _SUREST)
    return {
        "ctr_score": (1 / (1 + np.exp(-logits))).astype(np.float32),
        "value_score": _blur(generator, fit, noise.value_score),
    }


def observe_intent(
    generator: np.random.Generator, intent: NDArray[np.float32], noise: ObservationNoise
) -> NDArray[np.float32]:
    """[E]. What upstream guesses of how much this page's person wants to find something."""
    return _blur(generator, intent, noise.intent)


def _blur(
    generator: np.random.Generator, values: NDArray[np.float32], spread: float
) -> NDArray[np.float32]:
    error = generator.standard_normal(values.shape, dtype=np.float32)
    return (values + np.float32(spread) * error).astype(np.float32)


def _dense(name: str) -> Feature:
    return Feature(name, FeatureKind.DENSE)
