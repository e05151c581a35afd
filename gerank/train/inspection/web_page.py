"""An inspection as one web page: warnings first, feedback by slot drawn, then every table.

The page needs no other file and loads nothing, so that it can be sent to whoever decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from gerank.train.inspection.feedback import FeedbackFigures
from gerank.train.inspection.inspect import Inspection
from gerank.train.inspection.tables import MOST_ROWS, inspection_tables
from gerank.train.report import Table, show_cell

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 560, 160, 56, 22  # of a chart, in pixels
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c2430; background: #fff; }
h2 { margin-top: 2rem; font-size: 1.15rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .2rem .8rem .2rem 0; text-align: left; border-bottom: 1px solid #d9dee6; }
.warning, .fine { border-left: 4px solid #c76b00; background: #fff6e8; padding: .5rem .9rem;
                  margin: .6rem 0; }
.fine { border-color: #2b8a3e; background: #eefbf1; }
figure { margin: 1rem 0; } figcaption { color: #55606e; }
svg text { font: 11px system-ui, sans-serif; fill: #55606e; } rect { fill: #3b6fb6; }
"""


def inspection_page(found: Inspection, title: str) -> str:
    """The page; `title` names the log."""
    parts = [
        "<!doctype html>",
        '<html lang="en"><meta charset="utf-8">',
        f"<title>{escape(title)}</title><style>{_STYLE}</style>",
        f"<h1>{escape(title)}</h1>",
        *_warnings(found),
        "<h2>Feedback by slot</h2>",
        *(_chart(kind) for kind in found.feedback),
        *(_table(table) for table in inspection_tables(found)),
        "</html>",
    ]
    return "\n".join(parts) + "\n"


def _warnings(found: Inspection) -> Iterable[str]:
    for warning in found.warnings:
        text = f"<b>{escape(warning.name)}</b>: {escape(warning.text)} {escape(warning.advice)}"
        yield f'<p class="warning">{text}</p>'
    if not found.warnings:
        yield '<p class="fine">No warnings.</p>'


def _chart(kind: FeedbackFigures) -> str:
    """The mean of a kind at every slot, as bars from 0."""
    slots = kind.by_slot[:MOST_ROWS]
    means = [slot.mean or 0.0 for slot in slots]
    low, high = min(0.0, *means), max(0.0, *means)
    span = (high - low) or 1.0
    step = (_WIDTH - _LEFT) / max(1, len(slots))
    base = _HEIGHT - _BOTTOM

    def at(value: float) -> float:
        return base - (value - low) / span * (base - 10)

    bars = []
    for place, (slot, mean) in enumerate(zip(slots, means, strict=True)):
        left, top = _LEFT + place * step, at(max(mean, 0.0))
        height = abs(at(mean) - at(0.0))
        told = f"slot {slot.slot}: {mean:.4g} over {slot.known} values"
        bars.append(
            f'<rect x="{left + 1:.1f}" y="{top:.1f}" width="{max(1.0, step - 2):.1f}" '
            f'height="{height:.1f}"><title>{told}</title></rect>'
            f'<text x="{left + step / 2:.1f}" y="{_HEIGHT - 6}" text-anchor="middle">'
            f"{slot.slot}</text>"
        )
    scale = "".join(
        f'<text x="{_LEFT - 6}" y="{at(value) + 4:.1f}" text-anchor="end">{value:.3g}</text>'
        for value in sorted({low, high})
    )
    drawn = f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img">{scale}{"".join(bars)}</svg>'
    caption = f"mean {escape(kind.kind)} ({escape(kind.values)}) by slot, from 0"
    return f"<figure>{drawn}<figcaption>{caption}</figcaption></figure>"


def _table(table: Table) -> str:
    head = "".join(f"<th>{escape(name)}</th>" for name in table.columns)
    rows = "".join(
        "<tr>" + "".join(f"<td>{escape(show_cell(cell))}</td>" for cell in row) + "</tr>"
        for row in table.rows
    )
    return f"<h2>{escape(table.title)}</h2><table><tr>{head}</tr>{rows}</table>"
