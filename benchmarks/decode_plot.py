"""The picture of benchmarks/decode.py: microseconds per request of every way, by shape."""

from __future__ import annotations

from pathlib import Path

from harness import Row

WAYS = ("eager", "TorchScript", "torch.compile", "AOTInductor", "ONNX Runtime", "pointer_step")


def plot_times(rows: list[Row], path: Path) -> None:
    """Bars on a logarithmic scale, a group per shape; the floor as a line over each group.

    Args:
        rows: As decode.py publishes them.
        path: The SVG to write.
    """
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams["svg.hashsalt"] = "gerank"
    import matplotlib.pyplot as plt

    shapes = [row for row in rows if row["table"] == "us per request"]
    ways = [way for way in (*WAYS, "decode_slates") if any(_time(r, way) for r in shapes)]
    figure, axes = plt.subplots(figsize=(11, 4.5))
    width = 0.9 / len(ways)
    for place, way in enumerate(ways):
        at = [group + (place - (len(ways) - 1) / 2) * width for group in range(len(shapes))]
        axes.bar(at, [_time(row, way) or 0 for row in shapes], width, label=way)
    for group, row in enumerate(shapes):
        label = "floor" if group == 0 else None
        axes.hlines(row["floor us"], group - 0.45, group + 0.45, "black", label=label)
    axes.set_yscale("log")
    axes.set_xticks(range(len(shapes)), [f"{row['M,N,D']}\nB={row['B']}" for row in shapes])
    axes.set_xlabel("candidates, slots, width; requests in a call")
    axes.set_ylabel("microseconds per request, one thread")
    axes.legend(ncols=4, fontsize="small")
    figure.tight_layout()
    figure.savefig(path, metadata={"Date": None})


def _time(row: Row, way: str) -> float | None:
    """None where the way was not measured, or was wrong."""
    found = row.get(way)
    return found if isinstance(found, float) else None
