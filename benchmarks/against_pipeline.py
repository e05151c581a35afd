"""One model against the classical pipeline, both tuned on some pages and compared on others.

Two readings of "tuned by grid". Every setting of the pipeline that no other beats is an opponent;
or the one setting that a weighting's reward likes best is. An absolute rule pass takes a utility to
the largest value that a page allows (a final sort has every pair in order), and nothing passes
that, so settings at such a maximum are told apart from the rest.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from classical_pipeline import Pipeline, final_sort, grid, pareto, rank
from simulated import Pages, mean_utilities, slates_of
from torch import Tensor

from gerank.nn.generator import Generator
from gerank.train.config import UtilityConfig

CLICKS, DIVERSITY, ORDERING = range(3)
RULES = (DIVERSITY, ORDERING)
NAMES = ("clicks", "diversity", "ordering")
MAXIMUM = 1e-6
"""Nearer than this to the best of the grid a utility stands at its maximum."""
NEAR = 0.001
"""A diversity at its maximum can be met, but not on every page: so much less counts as equal."""

Weights = tuple[float, ...]
Setting = TypeVar("Setting", Pipeline, Weights)
Found = dict[str, float]


@dataclass(frozen=True)
class Task:
    """What both sides rank: pages to tune on, pages to compare on."""

    tuning: Pages
    test: Pages
    reward: Mapping[str, UtilityConfig]
    priority: dict[str, float]
    slots: int


class Tried(Generic[Setting]):
    """One way of ranking: every setting on the tuning pages, and the chosen ones on test pages."""

    def __init__(
        self, task: Task, slates: Callable[[Pages, Setting], Tensor], settings: list[Setting]
    ) -> None:
        self._task = task
        self._slates: Callable[[Pages, Setting], Tensor] = slates
        self._reached: dict[Setting, list[float]] = {}
        self.known: dict[Setting, list[float]] = {
            setting: self._means(task.tuning, setting) for setting in settings
        }

    def reached(self, setting: Setting) -> list[float]:
        """[U] means on the test pages."""
        if setting not in self._reached:
            self._reached[setting] = self._means(self._task.test, setting)
        return self._reached[setting]

    def _means(self, pages: Pages, setting: Setting) -> list[float]:
        return mean_utilities(pages, self._task.reward, self._slates(pages, setting))

    def best(
        self,
        at_least: int,
        goal: list[float],
        score: Callable[[list[float]], float],
        slack: float = 0.0,
    ) -> Setting | None:
        """Of the settings that reach the goal's utility `at_least`, the one of the best score."""
        fit = [s for s, own in self.known.items() if own[at_least] >= goal[at_least] - slack]
        return max(fit, key=lambda s: score(self.known[s])) if fit else None


class Contest:
    """A model's weights, the same with a final sort, and the grid of the pipeline."""

    def __init__(self, generator: Generator, task: Task, settings: list[Weights]) -> None:
        def by_model(pages: Pages, weights: Weights) -> Tensor:
            return slates_of(generator, pages, task.slots, list(weights))

        def sorted_last(pages: Pages, weights: Weights) -> Tensor:
            return final_sort(pages, by_model(pages, weights), task.priority)

        def by_pipeline(pages: Pages, setting: Pipeline) -> Tensor:
            return rank(pages, setting, task.priority, task.slots)

        self.model = Tried(task, by_model, settings)
        self.model_sorted = Tried(task, sorted_last, settings)
        self.pipelines = Tried(task, by_pipeline, grid(task.slots))
        known = self.pipelines.known.values()
        self.maxima = [max(own[index] for own in known) for index in range(len(NAMES))]

    def pareto(self) -> Found:
        """Figures over all settings that no other beats: all, those at a maximum, the others."""
        kept = pareto(self.pipelines.known)
        top = [s for s in kept if self._at_maximum(s)]
        rest = [s for s in kept if s not in top]
        found: Found = {}
        for name, some in (("", kept), (" at a maximum", top), (" below the maxima", rest)):
            figures = self._equal_clicks(some) | self._equal_diversity(some)
            found |= {f"pipelines{name}: {figure}": value for figure, value in figures.items()}
        corner = self.model.reached((0.0, 1.0, 0.0))[DIVERSITY]
        most = max(self.pipelines.reached(s)[DIVERSITY] for s in kept)
        found["diversity of weights (0, 1, 0), % of the most diverse pipeline"] = (
            100 * corner / most
        )
        return {name: value for name, value in found.items() if math.isfinite(value)}

    def tuned(self, weights: Weights, reward: Callable[[Weights, list[float]], float]) -> Found:
        """Figures against the one setting of the largest reward on the tuning pages."""
        known = self.pipelines.known
        setting = max(known, key=lambda s: reward(weights, known[s]))
        goal, theirs = known[setting], self.pipelines.reached(setting)
        found = {f"pipeline, {n}": v for n, v in zip(NAMES, theirs, strict=True)}
        found |= {
            f"pipeline, {NAMES[i]} below the maximum": self.maxima[i] - goal[i] for i in RULES
        }
        ways = {"model": self.model, "model and final sort": self.model_sorted}
        for way, tried in ways.items():
            same = reward(weights, tried.reached(weights)) / reward(weights, theirs) - 1
            found[f"{way}, the same weights: reward gained, %"] = 100 * same
            for case, chosen in (
                ("equal clicks", _equal_clicks(tried, goal)),
                ("equal diversity", _equal_diversity(tried, goal, NEAR)),
            ):
                if chosen is not None:
                    gains = _gains(tried.reached(chosen), theirs)
                    named = zip(NAMES, gains, strict=True)
                    found |= {f"{way}, {case}: {name} gained": gain for name, gain in named}
        return found

    def _at_maximum(self, setting: Pipeline) -> bool:
        own = self.pipelines.known[setting]
        return any(own[index] >= self.maxima[index] - MAXIMUM for index in RULES)

    def _equal_clicks(self, some: list[Pipeline]) -> Found:
        """One that no weights came up to in tuning counts as not beaten."""
        gains = []
        for setting in some:
            chosen = _equal_clicks(self.model, self.pipelines.known[setting])
            if chosen is not None:
                gains.append(_gains(self.model.reached(chosen), self.pipelines.reached(setting)))
        less = [min(gain[i] for i in RULES) for gain in gains]
        more = [max(gain[i] for i in RULES) for gain in gains]
        near = [a >= -0.002 and b > 0 for a, b in zip(less, more, strict=True)]
        return {
            "compared": float(len(some)),
            "better on both rule utilities at equal clicks, %": _percent(
                [gain > 0 for gain in less], some
            ),
            "neither rule utility worse by 0.002 and one better at equal clicks, %": _percent(
                near, some
            ),
            "gain in the less improved rule utility at equal clicks": _mean(less),
            "smallest gain in the less improved rule utility at equal clicks": min(
                less, default=math.nan
            ),
            "difference in clicks at equal clicks": _mean([gain[CLICKS] for gain in gains]),
        }

    def _equal_diversity(self, some: list[Pipeline]) -> Found:
        found: Found = {}
        for case, slack in (("equal diversity", 0.0), (f"diversity down by {NEAR}", NEAR)):
            gains, relative = [], []
            for setting in some:
                goal, theirs = self.pipelines.known[setting], self.pipelines.reached(setting)
                chosen = _equal_diversity(self.model, goal, slack)
                if chosen is not None:
                    gains.append(_gains(self.model.reached(chosen), theirs))
                    relative.append(100 * gains[-1][CLICKS] / theirs[CLICKS])
            diversity = [gain[DIVERSITY] for gain in gains]
            found |= {
                f"more clicks at {case}, %": _percent([r > 0 for r in relative], some),
                f"clicks gained at {case}, %": _mean(relative),
                f"difference in diversity at {case}": _mean(diversity),
            }
        return found


def _equal_clicks(tried: Tried[Weights], goal: list[float]) -> Weights | None:
    """Weights that give at least the goal's clicks, its worse rule utility furthest above."""
    return tried.best(CLICKS, goal, lambda own: min(own[i] - goal[i] for i in RULES))


def _equal_diversity(tried: Tried[Weights], goal: list[float], slack: float) -> Weights | None:
    """Weights of the most clicks among those that give the goal's diversity."""
    return tried.best(DIVERSITY, goal, lambda own: own[CLICKS], slack)


def _gains(ours: list[float], theirs: list[float]) -> list[float]:
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def _percent(beaten: list[bool], of: list[Pipeline]) -> float:
    return 100 * sum(beaten) / len(of) if of else math.nan


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan
