"""Ten pages as slates of several re-rankers side by side."""

from __future__ import annotations

import torch

from gerank.compare.compare import Comparison
from gerank.compare.results import Policy
from gerank.report.comparison.rows import best_first
from gerank.report.page import Drawing, Section
from gerank.report.slate_markup import PageItems, evenly_chosen, filled, moved_table, shown_table

_OTHERS = 2
_LOGGED = "as logged"


def slates_section(comparison: Comparison) -> Section:
    """Ten pages, or as many as there are: as logged, of the reference and of two others."""
    results, reference = comparison.results, comparison.space.config.reference
    shown = _shown(comparison)
    measure = results.first_measure
    before, after = (each.measures[measure] for each in (results.logged, shown[reference]))
    rows = evenly_chosen(after[0] - before[0], len(comparison.space.test))
    figures = [_page(comparison, shown, row) for row in rows]
    named = ", ".join(name for name in shown if name != _LOGGED)
    words = (
        f"All pages are ordered by what the slate of {reference} gains over the logged one, by "
        f"{measure}, and ten at even distances are shown, from the largest gain to the largest "
        f"loss. First stands what was shown, with its clicks; then the slates of {named}, with the "
        "slots in which their items were shown. Where there are several seeds, these are of the "
        "first."
    )
    return Section("Ten pages as slates", (words,), figures=figures)


def _shown(comparison: Comparison) -> dict[str, Policy]:
    """The logged pages, the reference, and the best others by the measure that counts most."""
    policies, reference = comparison.results.policies, comparison.space.config.reference
    others = [
        name
        for name in best_first(comparison)
        if name != reference and not policies[name].is_logged
    ]
    named = [reference, *others[:_OTHERS]]
    return {_LOGGED: comparison.results.logged} | {name: policies[name] for name in named}


def _page(comparison: Comparison, shown: dict[str, Policy], row: int) -> Drawing:
    measure = comparison.results.first_measure
    slates = {name: torch.from_numpy(policy.slates[0, row]) for name, policy in shown.items()}
    items = PageItems.of(comparison.space.test, row, slates[_LOGGED])
    tables = [shown_table(items, _LOGGED)] + [
        moved_table(items, name, filled(slate)) for name, slate in slates.items() if name != _LOGGED
    ]
    told = ", ".join(
        f"{policy.measures[measure][0, row]:.4f} {'' if name == _LOGGED else 'of '}{name}"
        for name, policy in shown.items()
    )
    caption = f"{items.title}: by {measure} {told}."
    return Drawing(f'<div class="slates">{"".join(tables)}</div>', caption)
