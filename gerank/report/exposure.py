"""Who is shown, and where: exposure by slot and by group, as logged and as generated."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from matplotlib.axes import Axes
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.report.drawing import count_across, draw, legend_below, plot_series, set_labels
from gerank.report.heat_map import heat_map
from gerank.report.names import shortened
from gerank.report.page import Drawing, Section
from gerank.report.palette import GREY, styles_of
from gerank.report.support import filled_slots
from gerank.train.evidence import Evidence
from gerank.train.report import Cell, Table

MOST_VALUES = 12
"""Values of a group that have a row of their own; the others share one."""
OTHERS = "all others"
_POLICIES = ("logged", "generator")
_STYLES = styles_of(_POLICIES)
_WORDS = (
    "Exposure is counted in slots: what share of all shown slots, and of the first one, goes to "
    "every value of a group key, before (as logged) and after (as generated). A re-ranker that "
    "earns more may do so at the expense of some group; here it would be seen."
)


@dataclass(frozen=True)
class _Exposure:
    """A group key.

    Attributes:
        name: The group's name.
        values: Names of its values, the most exposed in the log first.
        slots, first: Policy -> share of all slots and of the first slot by value, 0..1.
    """

    name: str
    values: list[str]
    slots: dict[str, NDArray[np.float64]]
    first: dict[str, NDArray[np.float64]]


def exposure_section(evidence: Evidence) -> Section:
    """Moves between slots, shares of groups, and shares of flags by slot."""
    groups = [*_exposures(evidence)]
    figures = [_moves(evidence)]
    tables = [_move_table(evidence)]
    if groups:
        figures.append(_group_drawing(groups))
        tables += [_group_table(group) for group in groups]
    if evidence.log.schema.flags:
        figures.append(_flag_drawing(evidence))
        tables.append(_flag_table(evidence))
    return Section("Exposure by slot and by group", (_WORDS,), tables, figures)


def slot_values(log: ExposureLog, name: str, order: Tensor) -> NDArray[np.int64]:
    """The values of an id of the candidates in the filled slots of slates [E, N], page by page."""
    filled = (order >= 0).numpy()
    places = log.candidate_offsets[:-1, None] + order.numpy()
    values: NDArray[np.int64] = log.candidate[name][places[filled]]
    return values


def _exposures(evidence: Evidence) -> Iterator[_Exposure]:
    log = evidence.log
    features = {feature.name: feature for feature in log.schema.candidate}
    for name in log.schema.groups:
        shown = {p: slot_values(log, name, evidence.slates[p]) for p in _POLICIES}
        first = {p: slot_values(log, name, evidence.slates[p][:, :1]) for p in _POLICIES}
        codes, counts = np.unique(shown["logged"], return_counts=True)
        kept = codes[np.argsort(-counts, kind="stable")][:MOST_VALUES]
        shares = {p: value_shares(values, kept) for p, values in shown.items()}
        tops = {p: value_shares(values, kept) for p, values in first.items()}
        values = [*(str(features[name].decode(code)) for code in kept), OTHERS]
        if np.isin(np.concatenate([*shown.values()]), kept).all():
            values.pop()
            shares, tops = (
                {p: of_all[:-1] for p, of_all in each.items()} for each in (shares, tops)
            )
        yield _Exposure(name, values, shares, tops)


def value_shares(values: NDArray[np.int64], kept: NDArray[np.int64]) -> NDArray[np.float64]:
    """The share of each of the values `kept`, and of all others together at the end."""
    shares = [float((values == code).mean()) for code in kept]
    return np.array([*shares, max(0.0, 1.0 - sum(shares))])


def _move_counts(evidence: Evidence) -> NDArray[np.float64]:
    """[N, N + 1] share of the items of each generated slot by where they stood; not shown last."""
    logged, ours = (evidence.slates[name] for name in _POLICIES)
    slots = filled_slots(evidence)
    shares = np.zeros((slots, slots + 1))
    for slot in range(slots):
        own = ours[:, slot]
        there = own >= 0
        stood = (logged == own.unsqueeze(1)) & there.unsqueeze(1)
        came = torch.cat([stood[:, :slots], (there & ~stood[:, :slots].any(1)).unsqueeze(1)], 1)
        shares[slot] = came.double().sum(0).numpy() / max(1, int(there.sum()))
    return shares


def _moves(evidence: Evidence) -> Drawing:
    shares = 100 * _move_counts(evidence)
    slots = [*map(str, range(len(shares)))]

    def paint(axes: list[Axes]) -> None:
        (panel,) = axes
        heat_map(panel, shares, slots, [*slots, "not\nshown"])
        set_labels(panel, "", "slot on the logged page", "slot of the generator")

    side = 1.2 + 0.38 * len(shares)
    caption = (
        "Where the items of every generated slot stood on the logged page, in % of the pages; "
        "numbers below 1 are left out."
    )
    return draw(paint, caption, panel_in=(side + 1.2, side))


def _move_table(evidence: Evidence) -> Table:
    shares = 100 * _move_counts(evidence)
    rows: list[tuple[Cell, ...]] = []
    for slot, stood in enumerate(shares):
        above, below = stood[:slot].sum(), stood[slot + 1 : -1].sum()
        rows.append((f"{slot}", *map(float, (stood[slot], below, above, stood[-1]))))
    columns = (
        *("slot", "same slot, %", "came up to it, %", "came down to it, %"),
        "not shown before, %",
    )
    return Table("How items moved, by the slot that the generator gave them", columns, tuple(rows))


def _group_drawing(groups: list[_Exposure]) -> Drawing:
    """Before and after by value: a point each, joined by a line."""

    def paint(axes: list[Axes]) -> None:
        for panel, group in zip(axes, groups, strict=True):
            rows = np.arange(len(group.values))[::-1]
            ends = [100 * group.slots[name] for name in _POLICIES]
            panel.hlines(rows, ends[0], ends[1], color=GREY, linewidth=1.0)
            for name, shares in zip(_POLICIES, ends, strict=True):
                plot_series(panel, shares, rows, name, _STYLES[name], joined=False)
            panel.set_yticks(rows, [*map(shortened, group.values)])
            set_labels(panel, shortened(group.name), "% of the slots")
        legend_below(axes)

    caption = (
        "The share of all slots that goes to each value of a group key, as logged and as "
        f"generated; the {MOST_VALUES} most exposed of the log."
    )
    height = 1.0 + 0.2 * max(len(group.values) for group in groups)
    return draw(paint, caption, panels=len(groups), panel_in=(3.6, height))


def _group_table(group: _Exposure) -> Table:
    columns = (
        *(group.name, "slots, logged, %", "slots, generator, %", "change, %"),
        *("first slot, logged, %", "first slot, generator, %"),
    )
    logged, ours = (100 * group.slots[name] for name in _POLICIES)
    tops = [100 * group.first[name] for name in _POLICIES]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (value, *map(float, (a, b, b - a, *top)))
        for value, a, b, top in zip(group.values, logged, ours, np.stack(tops, 1), strict=True)
    )
    return Table(f"Exposure by {group.name}", columns, rows)


def _flag_shares(evidence: Evidence, flag: str, policy: str) -> NDArray[np.float64]:
    """[N] share of the filled slots whose item has a flag, by slot."""
    order = evidence.slates[policy]
    shares = [
        float((slot_values(evidence.log, flag, order[:, slot : slot + 1]) > 0).mean())
        for slot in range(filled_slots(evidence))
    ]
    return np.array(shares)


def _flag_drawing(evidence: Evidence) -> Drawing:
    flags = evidence.log.schema.flags

    def paint(axes: list[Axes]) -> None:
        for panel, flag in zip(axes, flags, strict=True):
            for policy in _POLICIES:
                shares = 100 * _flag_shares(evidence, flag, policy)
                plot_series(panel, np.arange(len(shares)), shares, policy, _STYLES[policy])
            panel.set_ylim(bottom=0)
            count_across(panel)
            set_labels(panel, shortened(flag), "slot, from 0", "% of the items")
        legend_below(axes)

    caption = "The share of the items that have a flag, slot by slot, as logged and as generated."
    return draw(paint, caption, panels=len(flags))


def _flag_table(evidence: Evidence) -> Table:
    flags = evidence.log.schema.flags
    columns = [100 * _flag_shares(evidence, flag, policy) for flag in flags for policy in _POLICIES]
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (f"{slot}", *map(float, shares)) for slot, shares in enumerate(np.stack(columns, 1))
    )
    titles = (f"{flag}, {policy}, %" for flag in flags for policy in _POLICIES)
    return Table("Flags by slot", ("slot", *titles), rows)
