"""The tables of a comparison."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from gerank.compare.differences import Difference, Differences
from gerank.compare.results import Floats, Policy, Results, fewer_is_better
from gerank.metrics.intervals import Interval
from gerank.metrics.off_policy import CanTell, clipped_ips
from gerank.train.logged_click_tables import clicks_table, overlap_of
from gerank.train.logged_clicks import PageValues
from gerank.train.report import Cell, Table

MOST_WEIGHT = 20.0
"""Weights above it are clipped in the table of clipped estimates."""


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

    def mean_of(self, policy: Policy) -> float:
        """What a policy reaches on the same pages, averaged over its seeds."""
        return float(policy.measures[self.measure][:, self.rows].mean())


def measure_table(found: Differences) -> Table:
    """Means of a measure, and what the reference has more than every other policy."""
    direction = " (less is better)" if fewer_is_better(found.measure) else ""
    title = f"{found.measure}{direction}, {found.pages} pages"
    if not any(isinstance(mean, Interval) for mean in found.means.values()):
        rows: tuple[tuple[Cell, ...], ...] = tuple(found.means.items())
        return Table(f"{title}, too few people for intervals", ("re-ranker", "mean"), rows)
    rows = tuple(
        (name, mean, *_difference_cells(found.against.get(name)))
        for name, mean in found.means.items()
    )
    reference = found.reference
    columns = ("re-ranker", "mean", f"{reference} minus it", "p, Holm", f"{reference} against it")
    return Table(title, columns, rows)


def _difference_cells(difference: Difference | None) -> tuple[Cell, Cell, Cell]:
    """The last three cells of a row; the reference itself has none."""
    if difference is None:
        return None, None, None
    return difference.gain, difference.p_value, str(difference.told)


def optimum_table(best: Best, results: Results) -> Table:
    """How much of the best each policy reaches, on the pages for which the best was looked for."""
    most, base = float(best.values.mean()), best.mean_of(results.logged)
    rows: list[tuple[Cell, ...]] = []
    for name, policy in results.policies.items():
        mean = best.mean_of(policy)
        gap = 100 * (mean - base) / (most - base) if most > base else None
        rows.append((name, mean, most - mean, 100 * mean / most if most > 0 else None, gap))
    how = "every slate tried" if best.enumerated else "local search from the best of all re-rankers"
    rows.append((f"best ({how})", most, 0.0, 100.0, 100.0))
    columns = ("re-ranker", "mean", "below the best", "of the best, %", "of the gap to logged, %")
    return Table(
        f"Distance to the best: {best.measure}, {len(best.rows)} pages", columns, tuple(rows)
    )


def off_policy_tables(
    policies: Mapping[str, Policy], clicks: Floats, people: NDArray[np.str_], *, seed: int
) -> list[Table]:
    """Clicks as logged clicks and known propensities estimate them.

    There are no such tables where propensities are unknown, or all pages are of one person, and no
    estimates of a policy whose slates the log hardly shows.

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
        estimates: tuple[Cell, ...] = (found.value, found.bias)
        if overlap_of(policy.weighted, people).can_tell is not CanTell.YES:
            estimates = (None, None)
        rows.append((name, *estimates, 100 * found.clipped_share))
    columns = ("slates", "clipped IPS", "minus unclipped", "weights clipped, %")
    clipped = Table(f"Clicks with weights of at most {MOST_WEIGHT:g}", columns, tuple(rows))
    return [clipped] if table is None else [table, clipped]


def settings_table(results: Results, lacking: Mapping[str, tuple[str, ...]]) -> Table:
    """What the validation pages chose, who could not take part, and what was not tried.

    Args:
        results: What came out.
        lacking: Row -> what the pages lack for values of its grid.
    """
    rows: list[tuple[Cell, ...]] = []
    for name, policy in results.policies.items():
        if policy.settings is None:
            rows.append((name, "slates of a file", ""))
            continue
        rows.append((name, results.tunings[name].tried, told_settings(policy)))
    rows += [(name, "left out", reason) for name, reason in results.left_out.items()]
    columns: tuple[str, ...] = ("re-ranker", "tried", "chosen")
    if lacking:
        columns = (*columns, "not tried")
        rows = [(*row, "; ".join(lacking.get(str(row[0]), ()))) for row in rows]
    return Table("Settings, chosen on validation pages", columns, tuple(rows))


def told_settings(policy: Policy) -> str:
    """The settings that are not the first values of the comparator's own grid."""
    settings = policy.settings or {}
    told = (f"{s} = {json.dumps(v)}" for s, v in settings.items() if v != policy.firsts.get(s))
    return ", ".join(told) or "the first of all"
