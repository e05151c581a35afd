"""What preference weights buy: utilities against weights, the Pareto front, its hypervolume."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations, product

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor, tensor

from gerank.metrics.control import hypervolume, pareto_front, spearman
from gerank.report.drawing import draw, legend_below, plot_series, set_labels
from gerank.report.names import shortened
from gerank.report.page import Drawing, Section
from gerank.report.palette import GREY, STYLES, styles_of
from gerank.train.evaluate import default_weights
from gerank.train.evidence import Evidence
from gerank.train.judges import PageJudge
from gerank.train.orders import generated_slates, shown_length
from gerank.train.page_batches import at_most
from gerank.train.report import Cell, Table

_PAGES = 1000
_STEPS = 7
_MOST_CORNERS = 16
_MOST_UTILITIES = 4  # the exact volume takes too long beyond
_MOST_PAIRS = 6
_FLOOR = "shuffle"
_WORDS = (
    "One generator answers every weighting, without training anew. Each weight is moved through "
    "its range while the others stay at their defaults. The Pareto front holds the weightings that "
    "no other one beats in every utility."
)
_CORNER_WORDS = "Besides, all weights are put to the ends of their ranges together."
_FIXED_WORDS = (
    "No weight of this run has a range, so that its generator answers one weighting alone; what "
    "the policies reach is drawn."
)


@dataclass(frozen=True)
class _Reached:
    """Mean utilities under many weightings.

    Attributes:
        judge: Who says so.
        pages: How many pages there were.
        weightings: [P, U].
        utilities: [P, U].
        moved: Utility -> the places of the weightings that move its weight alone.
        policies: Policy -> [U], for comparison; the generator's are those under the asked weights.
    """

    judge: str
    pages: int
    weightings: NDArray[np.float64]
    utilities: NDArray[np.float64]
    moved: dict[str, list[int]]
    policies: dict[str, NDArray[np.float64]]


def weights_section(evidence: Evidence) -> Section | None:
    """None of a single utility, and where nobody says what utilities are worth."""
    names = list(evidence.folder.config.reward)
    if len(names) < 2 or evidence.first_judge is None:
        return None
    reached = _reach(evidence, evidence.first_judge)
    controlled = bool(reached.moved)
    said = (
        f"The utilities are those that {reached.judge} expects, on {reached.pages} of the "
        f"{len(evidence.log)} pages."
    )
    figures = [_curves(reached, names)] if controlled else []
    figures.append(_fronts(reached, names))
    tables = [_volume_table(reached, evidence)]
    if controlled:
        tables += [_steering_table(reached, names), _weighting_table(reached, names)]
    words = [_WORDS if controlled else _FIXED_WORDS, said, *_volume_words(names)]
    if len(reached.weightings) > 1 + _STEPS * len(reached.moved):
        words.insert(1, _CORNER_WORDS)
    return Section("Utilities against weights", words, tables, figures)


def _reach(evidence: Evidence, judge: str) -> _Reached:
    folder = evidence.folder
    rows = at_most(np.arange(len(evidence.log)), _PAGES)
    log = evidence.log.select(rows)
    page_judge = PageJudge(evidence.feedback[judge], log, folder.config.reward)
    generator, slots = folder.load_generator(), folder.config.data.slots
    logged = evidence.slates["logged"][rows]

    def means(order: Tensor) -> NDArray[np.float64]:
        utilities: NDArray[np.float64] = page_judge.utilities(order).double().mean(0).numpy()
        return utilities

    def asked_for(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        slates = generated_slates(generator, log, slots, tensor(weights).float())
        return means(shown_length(slates, logged))

    weightings, moved = _weightings(evidence)
    utilities = np.array([asked_for(weights) for weights in weightings])
    policies = {name: means(order[rows]) for name, order in evidence.slates.items()}
    return _Reached(judge, len(log), weightings, utilities, moved, policies)


def _weightings(evidence: Evidence) -> tuple[NDArray[np.float64], dict[str, list[int]]]:
    """The weightings that are tried, the defaults first, and which of them move a weight alone."""
    reward, defaults = evidence.folder.config.reward, default_weights(evidence.folder).tolist()
    tried, moved = [defaults], {}
    for place, (name, utility) in enumerate(reward.items()):
        if utility.min == utility.max:
            continue
        moved[name] = list(range(len(tried), len(tried) + _STEPS))
        tried += [
            [*defaults[:place], weight, *defaults[place + 1 :]]
            for weight in np.linspace(utility.min, utility.max, _STEPS).tolist()
        ]
    ends = [sorted({utility.min, utility.max}) for utility in reward.values()]
    if moved and np.prod([len(each) for each in ends]) <= _MOST_CORNERS:
        tried += [list(corner) for corner in product(*ends)]
    return np.array(tried), moved


def _curves(reached: _Reached, names: list[str]) -> Drawing:
    """Every utility against every weight that has a range."""
    styles = dict(zip(names, STYLES * len(names), strict=False))

    def paint(axes: list[Axes]) -> None:
        for panel, (moved, places) in zip(axes, reached.moved.items(), strict=True):
            weights = reached.weightings[places, names.index(moved)]
            for place, name in enumerate(names):
                values = reached.utilities[places, place]
                width = 2.2 if name == moved else 1.2
                plot_series(panel, weights, values - values[0], name, styles[name], width=width)
            panel.axhline(0.0, color=GREY, linewidth=0.8)
            title = f"weight of {shortened(moved)}"
            set_labels(panel, title, "weight", "utility, minus that at the left end")
        legend_below(axes)

    caption = (
        "What a weight does to every utility, in its own unit, from the lowest weight on; the "
        "utility whose weight is moved has the thick line."
    )
    return draw(paint, caption, panels=len(reached.moved), panel_in=(3.6, 2.9))


def _fronts(reached: _Reached, names: list[str]) -> Drawing:
    """Pairs of utilities: all weightings, their front, and other policies."""
    pairs = list(combinations(range(len(names)), 2))[:_MOST_PAIRS]
    styles = styles_of(reached.policies)

    def paint(axes: list[Axes]) -> None:
        for panel, (across, up) in zip(axes, pairs, strict=True):
            points = reached.utilities[:, [across, up]]
            panel.plot(*points.T, color=GREY, marker=".", linestyle="", label="weightings")
            front = points[pareto_front(points)]
            front = front[np.argsort(front[:, 0])]
            panel.step(*front.T, where="pre", color="#000000", linewidth=1.2, label="front")
            for policy, own in reached.policies.items():
                plot_series(panel, own[across], own[up], policy, styles[policy], joined=False)
            set_labels(panel, "", shortened(names[across]), shortened(names[up]))
        legend_below(axes)

    caption = (
        "Mean utilities per page of every weighting, two at a time, with the front of those two, "
        "and of the other policies."
    )
    if len(pairs) < len(names) * (len(names) - 1) // 2:
        caption += f" The first {_MOST_PAIRS} pairs are drawn."
    return draw(paint, caption, panels=len(pairs), panel_in=(3.6, 3.0))


def _volume_words(names: list[str]) -> list[str]:
    if len(names) > _MOST_UTILITIES:
        return [f"The hypervolume of more than {_MOST_UTILITIES} utilities is not taken."]
    return [
        "The hypervolume is the volume of utilities, each divided by its scale, that is reached "
        "above what pages in random order have; it grows with every trade-off that is offered. "
        "Who is not above them in every utility has none."
    ]


def _volume_table(reached: _Reached, evidence: Evidence) -> Table:
    """Utilities of every policy, and the volume above a shuffle, alone and of all weightings."""
    names, scales = list(evidence.folder.config.reward), evidence.folder.scales.double().numpy()
    floor = reached.policies[_FLOOR] / scales
    taken = len(names) <= _MOST_UTILITIES

    def volume(points: NDArray[np.float64]) -> float | None:
        return hypervolume(points / scales, floor) if taken else None

    rows: list[tuple[Cell, ...]] = [
        (name, *map(float, utilities), volume(utilities[None]))
        for name, utilities in reached.policies.items()
    ]
    if reached.moved:
        best = reached.utilities.max(0)
        title = f"generator, the most of {len(reached.weightings)} weightings"
        rows.append((title, *map(float, best), volume(reached.utilities)))
    return Table(
        "Utilities per page and hypervolume", ("slates", *names, "hypervolume"), tuple(rows)
    )


def _steering_table(reached: _Reached, names: list[str]) -> Table:
    """How surely each weight raises its own utility."""
    rows: list[tuple[Cell, ...]] = []
    for name, places in reached.moved.items():
        place = names.index(name)
        weights, values = reached.weightings[places, place], reached.utilities[places, place]
        rises = spearman(weights, values) if np.ptp(values) > 0 else None
        ends = map(float, (weights[0], weights[-1], values[0], values[-1]))
        rows.append((name, *ends, rises))
    columns = (
        *("weight of", "lowest", "highest", "its utility at the lowest", "at the highest"),
        "rank correlation",
    )
    return Table("How weights steer their utilities", columns, tuple(rows))


def _weighting_table(reached: _Reached, names: list[str]) -> Table:
    front = pareto_front(reached.utilities)
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (
            ", ".join(f"{weight:.4g}" for weight in weights),
            *map(float, utilities),
            "yes" if on_front else "",
        )
        for weights, utilities, on_front in zip(
            reached.weightings, reached.utilities, front, strict=True
        )
    )
    columns = ("weights", *names, "on the front")
    title = f"Every weighting that was tried: weights of {', '.join(names)}"
    return Table(title, columns, rows)
