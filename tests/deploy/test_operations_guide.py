"""The figures that the guide to operations cites are those of the committed measurements."""

from __future__ import annotations

import json
import re
from typing import Any

from gerank.option_table import default
from tests.deploy.manifests import ROOT

GUIDE = (ROOT / "docs" / "operations.md").read_text()


def measured(name: str) -> Any:
    return json.loads((ROOT / "benchmarks" / "results" / f"{name}.json").read_text())


def cited() -> list[tuple[str, ...]]:
    """The rows of the table: file, machine, calls per second, microseconds per call."""
    row = r"^\| `(\w+)\.json` \| (.*) \| .* \| ([\d,]+) \| (\d+) \|$"
    return re.findall(row, GUIDE, re.MULTILINE)


def test_the_costs_of_a_call_are_those_that_were_measured() -> None:
    serving = measured("serving")
    expected = [
        ("serving", f"{row['calls_per_s']:,.0f}", f"{row['server_cpu_us']:.0f}")
        for row in serving["rows"]
        if row["experiment"] == "throughput" and row["server"].startswith("native front")
    ]
    assert len(expected) == 2
    assert [(name, calls, cost) for name, _, calls, cost in cited()] == expected
    assert serving["date"] in cited()[0][1]


def test_the_other_shapes_and_the_memory_are_those_that_were_measured() -> None:
    overloads = [row for row in measured("serving")["rows"] if row["experiment"] == "overload"]
    wide, large, many, long = (f"{row['capacity_per_s']:,.0f}" for row in overloads)
    assert f"can do {wide} calls/s" in GUIDE
    assert (
        f"50 slots {large}, eight pages per call {many}, pages of 512 candidates {long}." in GUIDE
    )
    before = [row["memory_before_mb"] for row in overloads]
    grown = [row["memory_most_mb"] - row["memory_before_mb"] for row in overloads]
    assert f"({min(before):.0f} to {max(before):.0f} MB)" in GUIDE
    assert f"grew by {min(grown):.0f} to {max(grown):.0f} MB" in GUIDE
    start = {row["implementation"]: row["resident_mb"] for row in measured("server_start")["rows"]}
    native, scripted = (f"{start[name]:.0f} MB" for name in ("native", "torchscript"))
    assert f"about {native} natively, {scripted} with TorchScript" in GUIDE


def test_the_defaults_are_the_servers() -> None:
    for name, unit in (("buffer_bytes", 2**20), ("exposure_queue_bytes", 2**20)):
        flag = f"--{name.replace('_', '-')}"
        assert f"| `{flag}`, {default(name) // unit} MiB |" in GUIDE
    assert f"with {default('max_batch_candidates'):,}, {default('max_batch')} pages of" in GUIDE
