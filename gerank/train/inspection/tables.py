"""An inspection as tables to read."""

from __future__ import annotations

from gerank.train.inspection.features import FeatureFigures
from gerank.train.inspection.inspect import Inspection
from gerank.train.inspection.pages import Spread
from gerank.train.report import Cell, Table

MOST_ROWS = 24
"""Rows of a table of slots or features; JSON has them all."""


def inspection_tables(found: Inspection) -> list[Table]:
    """Pages, feedback by slot, features and exploration."""
    return [_pages(found), _feedback(found), _slots(found), _features(found), _exploration(found)]


def _pages(found: Inspection) -> Table:
    pages = found.pages
    rows: list[tuple[Cell, ...]] = [
        ("pages", f"{pages.pages}"),
        ("people", f"{pages.people}"),
        ("items", f"{pages.items}"),
        ("pages per person", _spread(pages.pages_per_person)),
        ("slots shown per page", _spread(pages.slots)),
        ("candidates per page", _spread(pages.candidates)),
        ("time", f"{pages.first} to {pages.last}" + _hours(pages.span_hours)),
        ("pages with one candidate", f"{pages.single_candidate:.1%}"),
        ("pages that show all candidates", f"{pages.all_shown:.1%}"),
        ("repeated pages", f"{pages.repeated_pages}"),
    ]
    return Table("Pages", ("", "figure"), tuple(rows))


def _spread(spread: Spread) -> str:
    return f"{spread.least} to {spread.most}, median {spread.median:.4g}, mean {spread.mean:.4g}"


def _hours(hours: float | None) -> str:
    return " (the unit is unknown)" if hours is None else f", {hours:.4g} hours"


def _feedback(found: Inspection) -> Table:
    rows = tuple(
        (kind.kind, kind.values, *map(str, (kind.known, kind.unknown, kind.positive)), kind.mean)
        for kind in found.feedback
    )
    columns = ("feedback", "values", "known slots", "unknown", "above 0", "mean")
    return Table("Feedback", columns, rows)


def _slots(found: Inspection) -> Table:
    click = found.feedback[0]
    rows = tuple(
        (
            f"{place.slot}",
            f"{place.known}",
            *(kind.by_slot[place.slot].mean for kind in found.feedback),
        )
        for place in click.by_slot[:MOST_ROWS]
    )
    columns = ("slot", "pages", *(f"mean {kind.kind}" for kind in found.feedback))
    return Table(_titled("Slots, from 0", len(click.by_slot)), columns, rows)


def _features(found: Inspection) -> Table:
    rows = tuple(_feature(feature) for feature in found.features[:MOST_ROWS])
    columns = ("feature", "kind", "values", "lowest", "mean", "highest", "missing", "new")
    return Table(_titled("Features", len(found.features)), columns, rows)


def _feature(feature: FeatureFigures) -> tuple[Cell, ...]:
    kind = feature.kind
    if feature.vocabulary:
        kind += f", {feature.vocabulary} rows" if feature.hashed else f" of {feature.vocabulary}"
    return (
        feature.full_name,
        kind,
        f"{feature.distinct}",
        feature.lowest,
        feature.mean,
        feature.highest,
        f"{feature.missing}",
        feature.new_share,
    )


def _exploration(found: Inspection) -> Table:
    figures = found.exploration
    rows: list[tuple[Cell, ...]] = [
        ("slots with a known log_propensity", f"{figures.choice_known:.1%}"),
        ("slots with a known placement_propensity", f"{figures.placement_known:.1%}"),
    ]
    if figures.at_one_slot is not None:
        share = f"{figures.at_one_slot:.1%} of {figures.often_shown}"
        rows.append(("often shown items that have one slot only", share))
    strongest = list(figures.sorted_by.items())[:3]
    rows += [(f"rank correlation of slot and {n}", f"{value:.3f}") for n, value in strongest]
    return Table("Exploration", ("", "figure"), tuple(rows))


def _titled(title: str, count: int) -> str:
    return title if count <= MOST_ROWS else f"{title}: the first {MOST_ROWS} of {count}"
