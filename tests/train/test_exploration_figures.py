"""What an inspection says of how pages were ordered."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import Logging, SimulatorConfig, simulate
from gerank.train.inspection.exploration import exploration_figures


def first_slots(log: ExposureLog) -> ExposureLog:
    """The same pages, of which only the first slot is logged, as a bandit's log has them."""
    first = log.slate_offsets[:-1]
    columns = {
        name: getattr(log, name)[first]
        for name in ("slates", "clicks", "log_propensity", "placement_propensity")
    }
    return replace(log, slate_offsets=np.arange(len(log) + 1), feedback={}, **columns)


def test_pages_of_one_slot_do_not_count_as_always_at_the_same() -> None:
    log, _ = simulate(SimulatorConfig(2000, items=50, sellers=10, logging=Logging.DETERMINISTIC))
    assert exploration_figures(log).at_one_slot is not None
    alone = exploration_figures(first_slots(log))
    assert alone.often_shown > 0 and alone.at_one_slot is None
