"""How much a log explored: whether it shows what would happen if pages were otherwise."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.train.inspection.item_slots import ItemSlots
from gerank.train.warning_figures import sortedness

LEAST_SHOWN = 5
"""Times that an item is shown from which it is asked whether its slot varies."""


@dataclass(frozen=True)
class ExplorationFigures:
    """What is known of how pages were ordered.

    Attributes:
        choice_known: Share of slots whose log_propensity is known.
        placement_known: Share of slots whose placement_propensity is known.
        sorted_by: Dense candidate feature -> mean rank correlation of slot and feature within
            pages, the strongest first: at 1 or -1 pages are a sort by it.
        often_shown: Items that are shown often enough to vary.
        at_one_slot: Share of those that always stand at the same slot; None = there are none, or
            no page shows more than one slot.
    """

    choice_known: float
    placement_known: float
    sorted_by: dict[str, float]
    often_shown: int
    at_one_slot: float | None


def exploration_figures(log: ExposureLog) -> ExplorationFigures:
    """Measures a log of one page or more."""
    correlations = sorted(sortedness(log).items(), key=lambda pair: -abs(pair[1]))
    items = ItemSlots.of_log(log)
    shows_several = bool((np.diff(log.slate_offsets) > 1).any())  # one slot is always the same
    often, fixed = items.times >= LEAST_SHOWN, items.lowest == items.highest
    return ExplorationFigures(
        choice_known=float((~np.isnan(log.log_propensity)).mean()),
        placement_known=float((~np.isnan(log.placement_propensity)).mean()),
        sorted_by=dict(correlations),
        often_shown=int(often.sum()),
        at_one_slot=float(fixed[often].mean()) if often.any() and shows_several else None,
    )
