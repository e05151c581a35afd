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
    serving, builds = measured("serving"), measured("two_builds")
    (throughput,) = (
        row
        for row in serving["rows"]
        if (row["experiment"], row["server"]) == ("throughput", "native front")
    )
    (native,) = (row for row in builds["rows"] if row["front"] == "native")
    expected = [
        ("serving", throughput["calls_per_s"], throughput["server_cpu_us"]),
        ("two_builds", native["old_calls_per_s"], native["old_cpu_us"]),
        ("two_builds", native["new_calls_per_s"], native["new_cpu_us"]),
    ]
    assert [(name, calls, cost) for name, _, calls, cost in cited()] == [
        (name, f"{calls:,.0f}", f"{cost:.0f}") for name, calls, cost in expected
    ]
    assert serving["date"] in cited()[0][1] and builds["date"] in cited()[1][1]


def test_the_other_shapes_and_the_memory_are_those_that_were_measured() -> None:
    overloads = [row for row in measured("serving")["rows"] if row["experiment"] == "overload"]
    wide, long, many = (f"{row['capacity_per_s']:,.0f}" for row in overloads)
    assert f"can do {wide} calls/s" in GUIDE
    assert f"50 slots {long}, eight pages per call {many}." in GUIDE
    before = [row["memory_before_mb"] for row in overloads]
    grown = [row["memory_most_mb"] - row["memory_before_mb"] for row in overloads]
    assert f"({min(before):.0f} to {max(before):.0f} MB)" in GUIDE
    assert f"grew by {min(grown):.0f} to {max(grown):.0f} MB" in GUIDE


def test_the_defaults_are_the_servers() -> None:
    for name, unit in (("buffer_bytes", 2**20), ("exposure_queue_bytes", 2**20)):
        flag = f"--{name.replace('_', '-')}"
        assert f"| `{flag}`, {default(name) // unit} MiB |" in GUIDE
    assert f"with {default('max_batch_candidates'):,}, {default('max_batch')} pages of" in GUIDE
