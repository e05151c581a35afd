"""Latency by quantile, the axis in nines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

_PER_NINE = 100  # load_generator.cpp tells quantiles at 1 - 10^(-i/100)


def plot_latency(curves: Mapping[str, Sequence[float]], path: Path) -> None:
    """Writes one line per entry: name -> microseconds at 1 - 10^(-i/100), i from 0."""
    figure, axes = plt.subplots(figsize=(7, 4))
    for name, quantiles in curves.items():
        nines = np.arange(len(quantiles)) / _PER_NINE
        axes.plot(nines, np.asarray(quantiles) / 1e3, label=name, linewidth=1.2)
    axes.set_xticks([0, 1, 2, 3, 4], ["fastest", "90 %", "99 %", "99.9 %", "99.99 %"])
    axes.set_yscale("log")
    axes.set_ylabel("milliseconds from the intended start")
    axes.set_xlabel("share of the calls that took at most so long")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path, dpi=120)
    plt.close(figure)
