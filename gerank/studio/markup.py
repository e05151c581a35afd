"""An outcome as HTML: two slates, utilities, bound rules, step probabilities."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

import numpy as np

from gerank.data.schema import FeatureSchema
from gerank.studio.judging import UtilityRow
from gerank.studio.session import BoundRule, Outcome
from gerank.studio.steps import Obstacle, Steps

_MOST_ROWS = 48
_MARKS = {
    Obstacle.SPACING: ("S", "ruled out by spacing"),
    Obstacle.QUOTAS: ("Q", "ruled out by a quota"),
    Obstacle.TAKEN: ("", "placed before, pinned to another slot, or a duplicate"),
    Obstacle.PIN: ("", "the slot is pinned to another candidate"),
}


def slates(outcome: Outcome, schema: FeatureSchema) -> str:
    """The slates before and after, side by side; what moved is marked in the second."""
    came_from = {candidate: slot for slot, candidate in enumerate(outcome.before) if candidate >= 0}
    before = [_slot_row(outcome, schema, *place, "") for place in enumerate(outcome.before)]
    after = [
        _slot_row(outcome, schema, slot, candidate, _moved(slot, candidate, came_from))
        for slot, candidate in enumerate(outcome.after)
    ]
    head = "".join(f"<th>{escape(name)}</th>" for name in ("", "item", *_columns(schema), ""))
    return "".join(
        f'<table class="slate" id="{name}"><caption>{name}</caption>'
        f"<thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"
        for name, rows in (("before", before), ("after", after))
    )


def _columns(schema: FeatureSchema) -> tuple[str, ...]:
    """What people tell items by: group keys, flags, the first score."""
    scores = [feature.name for feature in schema.candidate_scores[:1]]
    return (*schema.groups, *schema.flags, *scores)


def _slot_row(
    outcome: Outcome, schema: FeatureSchema, slot: int, candidate: int, moved: str
) -> str:
    if candidate < 0:
        width = len(_columns(schema)) + 2
        return f'<tr data-candidate="-1"><th>{slot}</th><td colspan="{width}">empty</td></tr>'
    values = outcome.page.document["candidates"][candidate]
    cells = "".join(
        _flag_cell(outcome.page.request.candidates[name][candidate])
        if name in schema.flags
        else _cell(values[name])
        for name in _columns(schema)
    )
    item = escape(str(values["id"]))
    return (
        f'<tr data-candidate="{candidate}"><th>{slot}</th><td class="item">{item}</td>'
        f"{cells}<td>{moved}</td></tr>"
    )


def _flag_cell(value: int) -> str:
    return f'<td class="flag">{"●" if value else ""}</td>'


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f'<td class="number">{value:.3f}</td>'
    return f"<td>{escape(str(value))}</td>"


def _moved(slot: int, candidate: int, came_from: dict[int, int]) -> str:
    if candidate not in came_from:
        return '<span class="new">new</span>'
    up = came_from[candidate] - slot
    if up == 0:
        return ""
    return f'<span class="{"up" if up > 0 else "down"}">{"▲" if up > 0 else "▼"} {abs(up)}</span>'


def utilities(outcome: Outcome) -> str:
    """Every utility of both slates, and the reward."""
    rows = "".join(_utility_row(row) for row in outcome.utilities)
    if outcome.rewards is None:
        total = '<td colspan="3" class="note">a utility with a weight is unknown</td>'
    else:
        total = _values(*outcome.rewards)
    head = "<tr><th></th><th>weight</th><th>before</th><th>after</th><th></th></tr>"
    return (
        f'<table class="utilities" id="utilities"><thead>{head}</thead><tbody>{rows}'
        f'<tr class="total"><th title="sum of weight * utility / scale">reward</th><td></td>{total}'
        "</tr></tbody></table>"
    )


def _utility_row(row: UtilityRow) -> str:
    start = f"<tr><th>{escape(row.name)}</th><td class='number'>{row.weight:.2f}</td>"
    if row.before is None or row.after is None:
        return f'{start}<td colspan="3" class="note">{escape(row.unknown)}</td></tr>'
    return f"{start}{_values(row.before, row.after)}</tr>"


def _values(before: float, after: float) -> str:
    change = after - before
    kind = "up" if change > 5e-4 else "down" if change < -5e-4 else "same"
    return (
        f'<td class="number">{before:.3f}</td><td class="number">{after:.3f}</td>'
        f'<td class="number {kind}">{change:+.3f}</td>'
    )


def rules(bound: Iterable[BoundRule]) -> str:
    """The rules that mattered, a line each."""
    lines = "".join(f"<li>{_rule_line(rule)}</li>" for rule in bound)
    none = '<p class="note">No rule changed what could be chosen.</p>'
    return f'<div class="rules" id="rules">{f"<ul>{lines}</ul>" if lines else none}</div>'


def _rule_line(bound: BoundRule) -> str:
    where = f"<b>slot {bound.slot}</b>"
    if bound.rule == "pin":
        return f"{where} pinned"
    if bound.relaxed:
        return f'{where} <span class="relaxed">{bound.rule} relaxed: it could not be kept</span>'
    share = f"{bound.withheld:.0%}" if bound.withheld >= 0.005 else "under 1%"
    return f"{where} {bound.rule} ruled out {bound.ruled_out} ({share} of the probability)"


def heat_map(outcome: Outcome, steps: Steps) -> str:
    """A row per candidate, a column per slot; `data-cell` is `slot candidate`."""
    shown, count = steps.probabilities.shape
    order = _row_order(outcome, steps)
    slots = "".join(_slot_head(outcome, slot) for slot in range(shown))
    rows = "".join(_heat_row(outcome, steps, candidate) for candidate in order[:_MOST_ROWS])
    left_out = []
    if count > _MOST_ROWS:
        left_out.append(f"{count - _MOST_ROWS} less probable candidates")
    if shown < len(outcome.after):
        left_out.append(f"the last {len(outcome.after) - shown} slots, which would take long")
    note = f'<p class="note">Left out: {", ".join(left_out)}.</p>' if left_out else ""
    head = f"<thead><tr><th>candidate</th>{slots}</tr></thead>"
    return f'<table class="heat" id="heat">{head}<tbody>{rows}</tbody></table>{note}'


def _row_order(outcome: Outcome, steps: Steps) -> list[int]:
    """Chosen candidates by slot, then the others by their highest probability."""
    chosen = [candidate for candidate in outcome.after if candidate >= 0]
    peaks = steps.probabilities.max(axis=0)
    peaks[chosen] = -1
    others = np.argsort(-peaks, kind="stable").tolist()
    return [*chosen, *others[: len(peaks) - len(chosen)]]


def _slot_head(outcome: Outcome, slot: int) -> str:
    pinned = any(pin.slot == slot for pin in outcome.request.pins)
    return f'<th class="{"pinned" if pinned else ""}">{slot}</th>'


def _heat_row(outcome: Outcome, steps: Steps, candidate: int) -> str:
    name = escape(str(outcome.request.candidate_ids[candidate]))
    chosen_at = outcome.after.index(candidate) if candidate in outcome.after else -1
    cells = "".join(
        _heat_cell(
            float(steps.probabilities[slot, candidate]),
            Obstacle(steps.obstacles[slot, candidate]),
            f"{slot} {candidate}",
            slot == chosen_at,
        )
        for slot in range(len(steps.probabilities))
    )
    return f'<tr><th title="{name}">{name}</th>{cells}</tr>'


def _heat_cell(probability: float, obstacle: Obstacle, cell: str, chosen: bool) -> str:
    if obstacle is not Obstacle.NONE:
        mark, why = _MARKS[obstacle]
        return f'<td class="{obstacle.name.lower()}" data-cell="{cell}" title="{why}">{mark}</td>'
    # The square root keeps small probabilities apart from none.
    depth = round(probability**0.5, 3)
    kind = ("chosen " if chosen else "") + ("deep" if depth > 0.6 else "")
    text = f"{100 * probability:.0f}" if probability >= 0.005 else ""
    return (
        f'<td class="{kind}" style="--p:{depth}" data-cell="{cell}" '
        f'title="{probability:.4f}">{text}</td>'
    )
