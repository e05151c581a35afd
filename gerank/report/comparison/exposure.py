"""Whom every re-ranker shows, and where, beside what the log showed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from gerank.compare.compare import Comparison
from gerank.compare.results import Policy
from gerank.data.exposure_log import ExposureLog
from gerank.report.comparison.rows import best_first, height_of
from gerank.report.drawing import draw, set_labels
from gerank.report.exposure import MOST_VALUES, OTHERS, slot_values, value_shares
from gerank.report.heat_map import heat_map
from gerank.report.names import shortened
from gerank.report.page import Drawing, Section
from gerank.report.support import place_shares
from gerank.train.report import Cell, Table

_LOGGED = "as logged"
_COLUMN_IN = 0.4
_WORDS = (
    "What share of all shown slots, and of the first one, goes to every value of a group key, by "
    "every re-ranker and as logged. Who earns more may do so at the expense of some group; here it "
    "would be seen. Slates of all seeds are counted."
)


@dataclass(frozen=True)
class _Exposure:
    """A group key.

    Attributes:
        name: The group's name.
        values: Names of V values, the most exposed of the log first, then all others together if
            there are any.
        slots, first: Policy -> [V] share of all slots and of the first slot in %.
    """

    name: str
    values: list[str]
    slots: dict[str, NDArray[np.float64]]
    first: dict[str, NDArray[np.float64]]


def exposure_section(comparison: Comparison) -> Section:
    """Shares of groups and, slot by slot, of flags; and where the items stood in the log."""
    log = comparison.space.test
    policies = _policies(comparison)
    tables, figures = [_place_table(policies)], []
    for key in log.schema.groups:
        found = _exposure(log, key, policies)
        figures.append(_group_drawing(found))
        tables += [
            _share_table(f"Share of all slots by {key}, %", found.values, found.slots),
            _share_table(f"Share of the first slot by {key}, %", found.values, found.first),
        ]
    if log.schema.flags:
        shares = {flag: _flag_shares(log, flag, policies) for flag in log.schema.flags}
        figures.append(_flag_drawing(shares))
        tables += [
            _share_table(f"Items with {flag} by slot, %", _slots(of), of)
            for flag, of in shares.items()
        ]
    return Section("Exposure by slot and by group", (_WORDS,), tables, figures)


def _policies(comparison: Comparison) -> dict[str, Policy]:
    """What was logged first, then all others by the measure that counts most."""
    policies = comparison.results.policies
    others = {n: policies[n] for n in best_first(comparison) if not policies[n].is_logged}
    return {_LOGGED: comparison.results.logged} | others


def _exposure(log: ExposureLog, key: str, policies: dict[str, Policy]) -> _Exposure:
    shown = {name: _values(log, key, policy) for name, policy in policies.items()}
    first = {name: _values(log, key, policy, 0) for name, policy in policies.items()}
    codes, counts = np.unique(shown[_LOGGED], return_counts=True)
    kept = codes[np.argsort(-counts, kind="stable")][:MOST_VALUES]
    feature = log.schema.named["candidate"][key]
    names = [*(str(feature.decode(code)) for code in kept), OTHERS]
    slots = {name: 100 * value_shares(values, kept) for name, values in shown.items()}
    tops = {name: 100 * value_shares(values, kept) for name, values in first.items()}
    if np.isin(np.concatenate([*shown.values()]), kept).all():
        names.pop()
        slots, tops = ({n: of[:-1] for n, of in each.items()} for each in (slots, tops))
    return _Exposure(key, names, slots, tops)


def _values(
    log: ExposureLog, name: str, policy: Policy, slot: int | None = None
) -> NDArray[np.int64]:
    """The values of an id in the filled slots of a policy's slates, or in one of the slots."""
    orders = map(torch.from_numpy, policy.slates)
    cut = (order if slot is None else order[:, slot : slot + 1] for order in orders)
    return np.concatenate([slot_values(log, name, order) for order in cut])


def _group_drawing(found: _Exposure) -> Drawing:
    others = [name for name in found.slots if name != _LOGGED]
    changes = [
        np.stack([shares[name] - shares[_LOGGED] for name in others])
        for shares in (found.slots, found.first)
    ]

    def paint(axes: list[Axes]) -> None:
        for panel, title, change in zip(axes, ("all slots", "first slot"), changes, strict=True):
            values = [shortened(value, 16) for value in found.values]
            heat_map(panel, change, [*map(shortened, others)], values, signed=True)
            panel.tick_params(axis="x", rotation=60)
            set_labels(panel, f"{shortened(found.name)}, {title}")

    caption = (
        f"What each re-ranker gives to every value of {found.name} more than the log, in points "
        f"of 100 % of the slots; the {MOST_VALUES} most exposed of the log. Changes below 1 have "
        "no number."
    )
    width = 1.6 + _COLUMN_IN * len(found.values)
    return draw(paint, caption, panels=2, columns=1, panel_in=(width, 0.7 + height_of(others)))


def _flag_shares(
    log: ExposureLog, flag: str, policies: dict[str, Policy]
) -> dict[str, NDArray[np.float64]]:
    """Policy -> [N] share of the filled slots whose item has a flag, in %, by slot."""
    last = int((policies[_LOGGED].slates[0] >= 0).any(0).sum())
    shares = {}
    for name, policy in policies.items():
        by_slot = [_values(log, flag, policy, slot) > 0 for slot in range(last)]
        shares[name] = np.array([100 * float(has.mean()) if len(has) else 0.0 for has in by_slot])
    return shares


def _flag_drawing(shares: dict[str, dict[str, NDArray[np.float64]]]) -> Drawing:
    first = next(iter(shares.values()))
    names, slots = list(first), _slots(first)

    def paint(axes: list[Axes]) -> None:
        for panel, (flag, of) in zip(axes, shares.items(), strict=True):
            heat_map(panel, np.stack([*of.values()]), [*map(shortened, names)], slots)
            set_labels(panel, shortened(flag), "slot, from 0")

    caption = "The share of the items that have a flag, slot by slot, in %."
    size = (1.6 + _COLUMN_IN * len(slots), height_of(names))
    return draw(paint, caption, panels=len(shares), columns=2, panel_in=size)


def _slots(shares: dict[str, NDArray[np.float64]]) -> list[str]:
    """The numbers of the slots that shares by slot are of."""
    return [*map(str, range(len(shares[_LOGGED])))]


def _share_table(title: str, columns: list[str], shares: dict[str, NDArray[np.float64]]) -> Table:
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (name, *map(float, values)) for name, values in shares.items()
    )
    return Table(title, ("slates", *columns), rows)


def _place_table(policies: dict[str, Policy]) -> Table:
    """Where the items of every policy's slates stood on the logged page."""
    rows: list[tuple[Cell, ...]] = []
    for name, policy in policies.items():
        order = torch.from_numpy(policy.slates).flatten(0, 1)
        rows.append((name, *place_shares(order, _repeated(policies[_LOGGED], len(policy.slates)))))
    columns = ("slates", "same slot, %", "another slot, %", "not shown, %")
    return Table("Where the items stood on the logged page", columns, tuple(rows))


def _repeated(logged: Policy, times: int) -> Tensor:
    """[S * E, N] the logged slates, as often as another policy has seeds."""
    return torch.from_numpy(logged.slates[0]).repeat(times, 1)
