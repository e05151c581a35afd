"""From a seed to an exposure log and the truth behind it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator.above import page_before, slots_above
from gerank.data.simulator.logging_modes import Logging, choose_slates
from gerank.data.simulator.logging_policy import LoggingPolicy
from gerank.data.simulator.observation import (
    ObservationNoise,
    observe_intent,
    observe_items,
    observe_people,
    observe_scores,
    simulator_schema,
)
from gerank.data.simulator.retrieval import retrieve
from gerank.data.simulator.truth import SimulatorTruth
from gerank.data.simulator.users import User, UserKind, make_user
from gerank.data.simulator.world import Catalogue, affinity, make_catalogue, make_people

_AT_LEAST_ONE = (
    "pages", "candidates", "slots", "pages_per_person", "items", "sellers", "feed_pages",
)  # fmt: skip


@dataclass(frozen=True)
class SimulatorConfig:
    """One simulated log.

    Attributes:
        pages: E.
        candidates: M, of every page.
        slots: N <= M, of every page.
        seed: Seeds people, candidates, choices and clicks.
        world_seed: Seeds the catalogue: logs of one world seed show the same items.
        pages_per_person: Is an average.
        items: Counts the items of the catalogue.
        sellers: Counts the sellers of all items.
        affinity: Weight of the fit of person and item in attraction.
        activity_spread: Is the spread of the persons' activity, in logits.
        intent_spread: Is the spread of the pages' intent, in logits.
        clicks: The true click model, of the kind `users`; None = that kind as it is by default.
        policy: The pipeline that filled the log.
        noise: Blurs the observed features.
        users: What makes people click.
        logging: How the pipeline fills pages.
        explore: Share of the pages in random order, 0..1; with mixed logging only.
        feed_pages: Most consecutive pages of a person that form one endless feed, in which the
            last items of a page stand above the next; 1 = every page stands alone.
    """

    pages: int
    candidates: int = 20
    slots: int = 10
    seed: int = 0
    world_seed: int = 0
    pages_per_person: float = 5.0
    items: int = 4000
    sellers: int = 100
    affinity: float = 0.45
    activity_spread: float = 0.9
    intent_spread: float = 0.75
    clicks: User | None = None
    policy: LoggingPolicy = field(default_factory=LoggingPolicy)
    noise: ObservationNoise = field(default_factory=ObservationNoise)
    users: UserKind = UserKind.FATIGUE
    logging: Logging = Logging.SAMPLED
    explore: float = 0.0
    feed_pages: int = 1

    def __post_init__(self) -> None:
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, not >= 1")
        if self.slots > self.candidates:
            raise ValueError(f"slots is {self.slots}, above candidates = {self.candidates}")
        if self.candidates > self.items:
            raise ValueError(f"candidates is {self.candidates}, above items = {self.items}")
        for name in ("seed", "world_seed"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, not >= 0")
        if self.clicks is not None and self.clicks.kind is not self.users:
            raise ValueError(f"clicks is of {self.clicks.kind} users, but users is {self.users}")
        if not 0 <= self.explore <= 1:
            raise ValueError(f"explore is {self.explore}, not in [0, 1]")
        if self.explore > 0 and self.logging is not Logging.MIXED:
            raise ValueError(
                f"explore is {self.explore}, but logging is {self.logging}: only mixed explores"
            )


@dataclass(frozen=True)
class _Pages:
    """Latent pages before anything is shown: person [E], items [E, M], intent [E], ..."""

    person: NDArray[np.int64]
    items: NDArray[np.int64]
    intent: NDArray[np.float32]
    bias: NDArray[np.float32]
    fit: NDArray[np.float32]
    attraction: NDArray[np.float32]
    persons: dict[str, NDArray[Any]]


def simulate(config: SimulatorConfig) -> tuple[ExposureLog, SimulatorTruth]:
    """Simulates pages in the order of time; the same configuration gives the same bits.

    Returns:
        The log, whose columns are all observable, and the truth, row by row the same pages.
    """
    world = np.random.default_rng([config.world_seed, 1])
    catalogue = make_catalogue(world, config.items, config.sellers)
    shelf = observe_items(world, catalogue, config.noise)
    generator = np.random.default_rng([config.seed, 2])
    pages = _make_pages(generator, catalogue, config)
    seller = catalogue.seller[pages.items]
    scores = observe_scores(
        generator, pages.attraction, pages.fit, catalogue.cold_start[pages.items], config.noise
    )
    intent = observe_intent(generator, pages.intent, config.noise)
    slates, log_propensity = choose_slates(
        generator,
        scores["ctr_score"],
        seller,
        config.slots,
        config.policy,
        config.logging,
        config.explore,
    )
    truth = SimulatorTruth(
        page_ids=_numbered(f"page-{config.seed}", np.arange(config.pages)),
        attraction=torch.from_numpy(pages.attraction),
        seller=torch.from_numpy(seller),
        category=torch.from_numpy(catalogue.category[pages.items]),
        content_type=torch.from_numpy(catalogue.content_type[pages.items]),
        person=torch.from_numpy(pages.bias),
        user=config.clicks or make_user(config.users),
    )
    schema, above = simulator_schema(config.sellers), None
    if config.feed_pages > 1:
        before = page_before(pages.person, config.feed_pages)
        truth = truth.in_feeds(torch.from_numpy(slates), before)
        told = {feature.name: shelf[feature.name] for feature in schema.above}
        above = slots_above(before, pages.items, slates, told)
    rows = torch.arange(config.pages)
    clicks = truth.sample_clicks(generator, rows, torch.from_numpy(slates)).numpy()
    log = ExposureLog(
        schema=schema,
        page_ids=truth.page_ids,
        person_ids=_numbered(f"person-{config.seed}", pages.person),
        timestamps=np.arange(config.pages, dtype=np.int64),
        candidate_offsets=np.arange(config.pages + 1, dtype=np.int64) * config.candidates,
        slate_offsets=np.arange(config.pages + 1, dtype=np.int64) * config.slots,
        user={name: values[pages.person] for name, values in pages.persons.items()}
        | {"intent": intent},
        candidate={name: values[pages.items].ravel() for name, values in shelf.items()}
        | {name: values.ravel() for name, values in scores.items()},
        candidate_names=_numbered("item", pages.items.ravel()),
        slates=slates.ravel(),
        clicks=clicks.astype(np.float32).ravel(),
        log_propensity=log_propensity.ravel(),
        placement_propensity=np.full(slates.size, np.nan, dtype=np.float32),
        above=above,
    )
    return log.with_ranges(), truth


def _make_pages(
    generator: np.random.Generator, catalogue: Catalogue, config: SimulatorConfig
) -> _Pages:
    persons = max(1, round(config.pages / config.pages_per_person))
    people = make_people(generator, persons, config.activity_spread)
    person = generator.integers(persons, size=config.pages)
    items = retrieve(generator, catalogue, people.taste[person], config.candidates)
    fit = affinity(people.taste[person], catalogue.taste[items])
    intent = generator.standard_normal(config.pages, dtype=np.float32)
    bias = people.activity[person] + np.float32(config.intent_spread) * intent
    attraction = np.float32(config.affinity) * fit + catalogue.appeal()[items]
    return _Pages(
        person=person,
        items=items,
        intent=intent,
        bias=bias,
        fit=fit,
        attraction=attraction,
        persons=observe_people(generator, people, config.noise),
    )


def _numbered(word: str, numbers: NDArray[np.int64]) -> NDArray[np.str_]:
    return np.char.add(f"{word}-", np.char.zfill(numbers.astype(np.str_), 6))
