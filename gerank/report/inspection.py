"""An inspection as one web page: warnings first, feedback by slot drawn, then every table.

Its bars are drawn here, so that `gerank inspect` needs no plotting library.
"""

from __future__ import annotations

from gerank.report.page import Drawing, Mood, Paragraph, Section, report_page
from gerank.train.inspection.feedback import FeedbackFigures
from gerank.train.inspection.inspect import Inspection
from gerank.train.inspection.tables import MOST_ROWS, inspection_tables

_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 560, 160, 56, 22  # of a chart, in pixels


def inspection_page(found: Inspection, title: str) -> str:
    """The page; `title` names the log."""
    bars = [_chart(kind) for kind in found.feedback]
    sections = [
        Section("Warnings", _warnings(found)),
        Section("Feedback by slot", figures=bars),
        Section("Figures", tables=inspection_tables(found)),
    ]
    return report_page(title, sections)


def _warnings(found: Inspection) -> list[Paragraph]:
    told = [
        Paragraph(f"{warning.text} {warning.advice}", warning.name, Mood.WARNING)
        for warning in found.warnings
    ]
    return told or [Paragraph("No warnings.", mood=Mood.FINE)]


def _chart(kind: FeedbackFigures) -> Drawing:
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
    caption = f"The mean {kind.kind} ({kind.values}) by slot, from 0."
    svg = f'<svg class="chart" width="{_WIDTH}" height="{_HEIGHT}" role="img">'
    return Drawing(f"{svg}{scale}{''.join(bars)}</svg>", caption)
