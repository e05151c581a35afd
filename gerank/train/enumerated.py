"""Small simulated pages, where every slate can be tried: how much of the possible is reached."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.data.simulator import SimulatorTruth, best_slates
from gerank.train.judges import true_clicks
from gerank.train.report import Table


def enumerated_table(slates: dict[str, Tensor], truth: SimulatorTruth) -> Table:
    """True clicks of each policy, its share of the gap between logged and best, and of the best.

    The share of the gap is None where there is no gap.

    Args:
        slates: Policy name -> [E, N] int64, `logged` among them.
        truth: Belongs to the same E pages.
    """
    slots = slates["logged"].size(1)
    candidates = truth.attraction.size(1)
    chosen, _ = best_slates(truth, torch.arange(len(truth)), slots)
    clicks = {
        name: true_clicks(truth, order).double().mean().item()
        for name, order in (slates | {"best of all slates": chosen}).items()
    }
    logged, best = clicks["logged"], clicks["best of all slates"]
    rows = tuple(
        (name, value, _percent(value - logged, best - logged), _percent(value, best))
        for name, value in clicks.items()
    )
    columns = ("slates", "true clicks per page", "of the gap, %", "of the best, %")
    title = f"Every slate tried: M={candidates}, N={slots}, {len(truth)} pages"
    return Table(title, columns, rows)


def _percent(part: float, whole: float) -> float | None:
    return 100 * (part / whole) if whole > 0 else None
