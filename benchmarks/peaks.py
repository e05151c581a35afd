"""What one core of this machine can do at most, and how long a decode must take at least."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

SCORE_OPERATIONS = 8
"""Per element of v . tanh(key + row) by tables: four multiply-adds of two operations each."""


@dataclass(frozen=True)
class Peaks:
    """Says what one core can do at best.

    A fused multiply-add counts as two operations; bytes are read from the level-2 cache.
    """

    operations_per_us: float
    bytes_per_us: float


def measure_peaks() -> Peaks:
    """Compiles peaks.cpp for this machine and runs it."""
    source = Path(__file__).with_suffix(".cpp")
    with tempfile.TemporaryDirectory() as folder:
        program = str(Path(folder) / "peaks")
        flags = ["-O3", "-march=native", "-mprefer-vector-width=512", "-std=c++20"]
        subprocess.run(["c++", *flags, str(source), "-o", program], check=True)
        output = subprocess.run([program], check=True, capture_output=True, text=True).stdout
    gflops, gigabytes = (float(word) for word in output.split())
    return Peaks(gflops * 1e3, gigabytes * 1e3)


def decode_floor_us(peaks: Peaks, candidates: int, slots: int, width: int, alone: bool) -> float:
    """The least time for one request: its arithmetic, and when alone the weights' way to the core.

    Every slot multiplies by [W_hh; W_s] and W_ih, [D, 7D] together, and scores who is left; the
    product with W_e comes once. In a batch the weights are read once for many requests.
    """
    step_operations = 2 * 7 * width * width
    step_bytes = 4 * 7 * width * width if alone else 0
    step = max(step_operations / peaks.operations_per_us, step_bytes / peaks.bytes_per_us)
    keys = 2 * candidates * width * width
    scored = sum(candidates - slot for slot in range(slots)) * width
    rest = (keys + SCORE_OPERATIONS * scored) / peaks.operations_per_us
    return slots * step + rest
