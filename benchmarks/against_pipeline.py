"""One model against the classical pipeline, both tuned on some pages and compared on others.

"Tuned by grid" has two readings. Every setting of the pipeline that no other beats is an opponent,
or the one setting that a weighting's reward likes best is. An absolute rule pass takes a utility to
the largest value that a page allows (a final sort has every pair in order, an unbounded penalty
repeats no category that it need not): nothing passes that, so there a tie is all there is to win.
The model has absolute rules too: a spacing rule while it decodes, the same final sort behind it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Generic, NamedTuple, TypeVar

import numpy as np
from classical_pipeline import Pipeline, final_sort, grid, pareto, rank
from simulated import Pages, mean_utilities, slates_of
from torch import Tensor

from gerank.nn.generator import Generator
from gerank.train.config import UtilityConfig

CLICKS, DIVERSITY, ORDERING = range(3)
RULES = (DIVERSITY, ORDERING)
NAMES = ("clicks", "diversity", "ordering")
DIVERSE_GROUP = "category"
MAXIMUM = 1e-6
"""Nearer than this to the best of the grid a utility stands at its maximum."""
NEAR = 0.001
"""Weights alone meet a diversity at its maximum, but not on every page: so much less is equal."""

Weights = tuple[float, ...]


class Asked(NamedTuple):
    """What requests ask the model for.

    Attributes:
        weights: Weigh the utilities.
        spaced: A spacing rule: no category twice on a page, while others are left.
        sorted: A final sort by priority behind the model.
    """

    weights: Weights
    spaced: bool = False
    sorted: bool = False


Setting = TypeVar("Setting", Pipeline, Asked)
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


class Contest:
    """A model asked by weights alone, the same with its rules, and the grid of the pipeline."""

    def __init__(self, generator: Generator, task: Task, weightings: list[Weights]) -> None:
        def by_model(pages: Pages, asked: Asked) -> Tensor:
            once = DIVERSE_GROUP if asked.spaced else None
            slates = slates_of(generator, pages, task.slots, asked.weights, once)
            return final_sort(pages, slates, task.priority) if asked.sorted else slates

        def by_pipeline(pages: Pages, setting: Pipeline) -> Tensor:
            return rank(pages, setting, task.priority, task.slots)

        no_or_yes = (False, True)
        asked = [Asked(w, a, b) for w in weightings for a in no_or_yes for b in no_or_yes]
        self.model = Tried(task, by_model, asked)
        self.pipelines = Tried(task, by_pipeline, grid(task.slots))
        self.ways = {
            "by weights": [one for one in asked if not (one.spaced or one.sorted)],
            "by weights and rules": asked,
        }
        known = self.pipelines.known
        best = [max(known, key=lambda s, i=i: known[s][i]) for i in range(len(NAMES))]
        self.maxima = [known[setting][i] for i, setting in enumerate(best)]
        self.test_maxima = [self.pipelines.reached(setting)[i] for i, setting in enumerate(best)]

    def pareto(self) -> Found:
        """Figures over all settings that no other beats: all, those at a maximum, the others."""
        kept = pareto(self.pipelines.known)
        top = [s for s in kept if self._at_maximum(s)]
        rest = [s for s in kept if s not in top]
        found: Found = {}
        for way in self.ways:
            for name, some in (("all", kept), ("at a maximum", top), ("below the maxima", rest)):
                figures = self._equal_clicks(way, some) | self._equal_diversity(way, some)
                found |= {f"{way}, {name}: {figure}": value for figure, value in figures.items()}
        corner = self.model.reached(Asked((0.0, 1.0, 0.0)))[DIVERSITY]
        found["diversity of weights (0, 1, 0), % of the most diverse pipeline"] = (
            100 * corner / self.test_maxima[DIVERSITY]
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
        for way, asked in self.ways.items():
            same = max(
                (one for one in asked if one.weights == weights),
                key=lambda one: reward(weights, self.model.known[one]),
            )
            gained = reward(weights, self.model.reached(same)) / reward(weights, theirs) - 1
            found[f"{way}, the same weights: reward gained, %"] = 100 * gained
            for case, chosen in (
                ("equal clicks", self._best_at_clicks(way, goal)),
                ("equal diversity", self._best_at_diversity(way, goal, NEAR)),
            ):
                if chosen is not None:
                    gains = _gains(self.model.reached(chosen), theirs)
                    named = zip(NAMES, gains, strict=True)
                    found |= {f"{way}, {case}: {name} gained": gain for name, gain in named}
        return found

    def _at_maximum(self, setting: Pipeline) -> bool:
        own = self.pipelines.known[setting]
        return any(own[index] >= self.maxima[index] - MAXIMUM for index in RULES)

    def _best_at_clicks(self, way: str, goal: list[float]) -> Asked | None:
        """Returns the one whose worse rule utility is furthest above the goal's.

        Only those with at least the goal's clicks are compared. Where two tie, as they do at a
        maximum, the other rule utility decides, then clicks.
        """

        def gain(asked: Asked) -> tuple[float, ...]:
            rules = [round(self.model.known[asked][i] - goal[i], 6) for i in RULES]
            return min(rules), max(rules), self.model.known[asked][CLICKS]

        fit = [one for one in self.ways[way] if self.model.known[one][CLICKS] >= goal[CLICKS]]
        return max(fit, key=gain, default=None)

    def _best_at_diversity(self, way: str, goal: list[float], slack: float) -> Asked | None:
        """Returns the one with most clicks whose diversity is at most `slack` below the goal's."""
        least = goal[DIVERSITY] - slack - MAXIMUM
        fit = [one for one in self.ways[way] if self.model.known[one][DIVERSITY] >= least]
        return max(fit, key=lambda one: self.model.known[one][CLICKS], default=None)

    def _equal_clicks(self, way: str, some: list[Pipeline]) -> Found:
        """A setting whose clicks no weights came up to in tuning counts as not beaten."""
        gains, won, won_or_tied = [], [], []
        for setting in some:
            chosen = self._best_at_clicks(way, self.pipelines.known[setting])
            if chosen is None:
                continue
            theirs = self.pipelines.reached(setting)
            gain = _gains(self.model.reached(chosen), theirs)
            gains.append(gain)
            won.append(all(gain[i] > 0 for i in RULES))
            won_or_tied.append(
                all(
                    gain[i] > 0
                    or (abs(gain[i]) < MAXIMUM and theirs[i] >= self.test_maxima[i] - MAXIMUM)
                    for i in RULES
                )
            )
        less = [min(gain[i] for i in RULES) for gain in gains]
        more = [max(gain[i] for i in RULES) for gain in gains]
        return {
            "compared": float(len(some)),
            "better on both rule utilities at equal clicks, %": _percent(won, some),
            "the same, or equal where the pipeline is at the maximum, %": _percent(
                won_or_tied, some
            ),
            "gain in the less improved rule utility at equal clicks": _mean(less),
            "smallest gain in the less improved rule utility at equal clicks": min(
                less, default=math.nan
            ),
            "gain in the more improved rule utility at equal clicks": _mean(more),
            "difference in clicks at equal clicks": _mean([gain[CLICKS] for gain in gains]),
            "smallest difference in clicks at equal clicks": min(
                (gain[CLICKS] for gain in gains), default=math.nan
            ),
        }

    def _equal_diversity(self, way: str, some: list[Pipeline]) -> Found:
        found: Found = {}
        for case, slack in (("equal diversity", 0.0), (f"diversity down by {NEAR}", NEAR)):
            gains, relative = [], []
            for setting in some:
                chosen = self._best_at_diversity(way, self.pipelines.known[setting], slack)
                if chosen is not None:
                    theirs = self.pipelines.reached(setting)
                    gains.append(_gains(self.model.reached(chosen), theirs))
                    relative.append(100 * gains[-1][CLICKS] / theirs[CLICKS])
            found |= {
                f"more clicks at {case}, %": _percent([r > 0 for r in relative], some),
                f"clicks gained at {case}, %": _mean(relative),
                f"difference in diversity at {case}": _mean([g[DIVERSITY] for g in gains]),
            }
        return found


def _gains(ours: list[float], theirs: list[float]) -> list[float]:
    return [a - b for a, b in zip(ours, theirs, strict=True)]


def _percent(beaten: list[bool], of: list[Pipeline]) -> float:
    return 100 * sum(beaten) / len(of) if of else math.nan


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else math.nan
