"""The tables of a comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gerank.compare.results import Floats, Policy, Results
from gerank.metrics.holm import holm, holm_levels
from gerank.metrics.intervals import Interval
from gerank.metrics.off_policy import clipped_ips
from gerank.metrics.resampling import Resampled, resampled_means
from gerank.train.logged_click_tables import clicks_table
from gerank.train.logged_clicks import PageValues
from gerank.train.report import Cell, Table

LEVEL = 0.95
MOST_WEIGHT = 20.0
"""Weights above it are clipped in the table of clipped estimates."""


class Told(StrEnum):
    """What a comparison with the reference says."""

    HIGHER = "reference is higher"
    LOWER = "reference is lower"
    NEITHER = "not told apart"


class Best(NamedTuple):
    """The best slates of some test pages.

    Attributes:
        measure: By which they are the best.
        rows: [B] int64. The pages.
        values: [B]. Their values.
        enumerated: Whether every slate was tried.
    """

    measure: str
    rows: NDArray[np.int64]
    values: Floats
    enumerated: bool


def measure_table(
    measure: str,
    policies: Mapping[str, Policy],
    reference: str,
    people: NDArray[np.str_],
    *,
    seed: int,
    resamples: int,
) -> Table:
    """Means of a measure, and the reference's paired difference from every other policy.

    Pages without a value, as without a click for NDCG, are left out for all. Differences have
    intervals by person and seed at the level at which Holm's procedure looks at them: together,
    the comparisons of a table err with a probability of five per cent.

    Args:
        measure: Which of the policies' measures.
        policies: By name.
        reference: One of them.
        people: [E]. Whose page it is.
        seed: Seeds the resampling.
        resamples: How often people and seeds are drawn anew.
    """
    values = [policy.measures[measure] for policy in policies.values()]
    kept = ~np.isnan(np.concatenate(values)).any(axis=0)
    title = f"{measure}, {int(kept.sum())} pages"
    if len(np.unique(people[kept])) < 2:
        means = (float(table[:, kept].mean()) if kept.any() else None for table in values)
        rows = tuple(zip(policies, means, strict=True))
        return Table(f"{title}, too few people for intervals", ("re-ranker", "mean"), rows)
    drawn = dict(
        zip(
            policies,
            resampled_means(
                [table[:, kept] for table in values], people[kept], seed=seed, resamples=resamples
            ),
            strict=True,
        )
    )
    compared = _compared(drawn, reference)
    rows = tuple(
        (name, found.interval(LEVEL), *compared.get(name, (None, None, None)))
        for name, found in drawn.items()
    )
    columns = ("re-ranker", "mean", f"{reference} minus it", "p, Holm", f"{reference} against it")
    return Table(title, columns, rows)


def _compared(
    drawn: Mapping[str, Resampled], reference: str
) -> dict[str, tuple[Interval, float, str]]:
    """Other -> difference, adjusted p-value, and what it says."""
    gains = {n: drawn[reference].minus(other) for n, other in drawn.items() if n != reference}
    if not gains:
        return {}
    p_values = [gain.p_value() for gain in gains.values()]
    found = {}
    for (name, gain), level, adjusted in zip(
        gains.items(), holm_levels(p_values, LEVEL), holm(p_values), strict=True
    ):
        told = Told.NEITHER
        if adjusted < 1 - LEVEL:
            told = Told.HIGHER if gain.estimate > 0 else Told.LOWER
        found[name] = (gain.interval(float(level)), float(adjusted), str(told))
    return found


def optimum_table(best: Best, policies: Mapping[str, Policy]) -> Table:
    """How much of the best each policy reaches, on the pages for which the best was looked for."""
    most = float(best.values.mean())
    logged = [policy for policy in policies.values() if policy.is_logged]
    base = float(logged[0].measures[best.measure][:, best.rows].mean()) if logged else None
    rows: list[tuple[Cell, ...]] = []
    for name, policy in policies.items():
        mean = float(policy.measures[best.measure][:, best.rows].mean())
        gap = None
        if base is not None and most > base:
            gap = 100 * (mean - base) / (most - base)
        rows.append((name, mean, most - mean, 100 * mean / most if most > 0 else None, gap))
    how = "every slate tried" if best.enumerated else "local search from the best of all re-rankers"
    rows.append((f"best ({how})", most, 0.0, 100.0, None if base is None else 100.0))
    columns = ("re-ranker", "mean", "below the best", "of the best, %", "of the gap to logged, %")
    return Table(
        f"Distance to the best: {best.measure}, {len(best.rows)} pages", columns, tuple(rows)
    )


def off_policy_tables(
    policies: Mapping[str, Policy], clicks: Floats, people: NDArray[np.str_], *, seed: int
) -> list[Table]:
    """Clicks as logged clicks and known propensities estimate them.

    There are no such tables where propensities are unknown, or all pages are of one person.

    Args:
        policies: By name.
        clicks: [E, N]. In the logged slots, 0 where none is filled.
        people: [E]. Whose page it is.
        seed: Seeds the resampling.
    """
    nothing = np.empty(0)
    weighted = {name: policy.weighted for name, policy in policies.items()}
    values = {n: PageValues(nothing, nothing, w) for n, w in weighted.items() if w is not None}
    if len(values) < len(policies) or len(np.unique(people)) < 2:
        return []
    table = clicks_table(values, people, clicks.shape[1])
    rows: list[tuple[Cell, ...]] = []
    for name, policy in policies.items():
        if policy.weighted is None:
            continue
        found = clipped_ips(clicks, policy.weighted.weights, MOST_WEIGHT, people, seed=seed)
        rows.append((name, found.value, found.bias, 100 * found.clipped_share))
    columns = ("slates", "clipped IPS", "minus unclipped", "weights clipped, %")
    clipped = Table(f"Clicks with weights of at most {MOST_WEIGHT:g}", columns, tuple(rows))
    return [clipped] if table is None else [table, clipped]


def settings_table(results: Results, tried: Mapping[str, str]) -> Table:
    """What the validation pages chose, and who could not take part.

    Args:
        results: All policies.
        tried: Name -> how many settings were tried, in words.
    """
    rows: list[tuple[Cell, ...]] = []
    for name, policy in results.policies.items():
        if policy.settings is None:
            rows.append((name, "slates of a file", ""))
            continue
        rows.append((name, tried[name], _told(policy)))
    rows += [(name, "left out", reason) for name, reason in results.left_out.items()]
    return Table(
        "Settings, chosen on validation pages", ("re-ranker", "tried", "chosen"), tuple(rows)
    )


def _told(policy: Policy) -> str:
    """The settings that are not the first values of the comparator's own grid."""
    settings = policy.settings or {}
    told = (f"{s} = {json.dumps(v)}" for s, v in settings.items() if v != policy.firsts.get(s))
    return ", ".join(told) or "the first of all"
