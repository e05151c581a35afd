"""The native front, the one in Python, a server written by hand, and grpc++ alone, in turns.

The native front runs twice: with the native page pass, which is its default, and with TorchScript.

A call has one query of 20 candidates of 64 floats, and 10 slots; client and server share the
machine.

- *throughput*: 32 calls are in flight. The server's CPU comes from /proc; the model's share is what
  the engine's worker thread takes, less its padding.
- *latency*: an open loop runs at half of the most that each front can, and a call is timed from its
  intended start.
- *overload*: twice the capacity is asked, every call with a deadline, of a model that costs far
  more than transport (256 wide), of large pages, of calls of eight pages, which cost the load
  generator nearly as much as the server, and of pages of 512 candidates, whose queue only the
  engine's own estimate bounds.
- *swaps*: a new artifact comes again and again under full load, then a damaged one.
"""

from __future__ import annotations

import argparse
import os
import signal
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from harness import RESULTS, Row, options, publish
from serving.load import IN_FLIGHT, Load, Outcome, apply, build_tools, finish
from serving.overload import MAX_QUERIES, overload
from serving.plot import plot_latency
from serving.processes import (
    NATIVE,
    Server,
    echo_command,
    grpcio_command,
    native_command,
    plain_command,
    running,
)
from serving.workload import LARGE, LONG, USUAL, WIDE, make_artifact, write_payloads

SCRIPTED = "native front, TorchScript"
GRPCIO, PLAIN, ECHO = "grpcio front", "grpcio + torch.jit", "grpc++ echo"


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--only", default="", help="one experiment")
    arguments = parser.parse_args()
    build_tools()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), arguments)
    publish("serving", rows, arguments, commit=not arguments.only)


def measure(folder: Path, arguments: argparse.Namespace) -> list[Row]:
    """All experiments, or the one that was asked for."""
    model, payloads, answer = folder / "model.gerank", folder / "payloads", folder / "answer"
    make_artifact(model)
    write_payloads(payloads, 256)
    answer.write_bytes(bytes(240))  # the size of a slate of 10
    commands = {
        NATIVE: native_command(model),
        SCRIPTED: native_command(model, implementation="torchscript"),
        GRPCIO: grpcio_command(model),
        PLAIN: plain_command(model),
        ECHO: echo_command(answer),
    }
    quick, only = arguments.quick, arguments.only
    rows: list[Row] = []
    with running(commands) as servers:
        seconds, rounds = (1.5, 1) if quick else (6.0, 5)
        found = throughput(servers, payloads, seconds, rounds)
        rows += found
        most = {str(row["server"]): float(row["calls_per_s"]) for row in found}
        if only in ("", "latency"):
            rows += latency(servers, payloads, most, 1.0 if quick else 20.0, quick)
    if only in ("", "overload"):
        kinds = ((WIDE, 1, True), (LARGE, 1, True), (USUAL, MAX_QUERIES, True), (LONG, 1, False))
        for size, queries, bounded in kinds[: 1 if quick else 4]:
            rows.append(overload(folder, size, queries, bounded, 1.5 if quick else 60.0))
    if only in ("", "swaps"):
        with running({NATIVE: native_command(model)}) as servers:
            rows += swaps(servers[NATIVE], model, payloads, 5 if quick else 50)
    return rows


def throughput(
    servers: dict[str, Server], payloads: Path, seconds: float, rounds: int
) -> list[Row]:
    """Closed loop, interleaved; medians over the rounds."""
    load = Load(payloads, seconds, in_flight=IN_FLIGHT)
    outcomes: dict[str, list[Row]] = {name: [] for name in servers}
    for _ in range(rounds):
        for name, server in servers.items():
            outcomes[name].append(_throughput_row(name, server, load))
    rows = [_median_row(rows) for rows in outcomes.values()]
    by_name = {str(row["server"]): row for row in rows}
    floor = by_name[ECHO]["server_cpu_us"]
    # An echo at full speed answers many calls per wake-up; at the native front's rate, few.
    same_rate = Load(payloads, seconds, rate=by_name[NATIVE]["calls_per_s"])
    by_name[NATIVE]["echo_cpu_us_at_this_rate"] = apply(same_rate, servers[ECHO]).server_cpu_us
    for row in rows:
        row["of_plain"] = row["calls_per_s"] / by_name[PLAIN]["calls_per_s"]
        if "non_model_cpu_us" in row:
            row["non_model_of_echo"] = row["non_model_cpu_us"] / floor
    return rows


def _throughput_row(name: str, server: Server, load: Load) -> Row:
    modelled = name in (NATIVE, SCRIPTED, GRPCIO)
    load_before = os.getloadavg()[0]  # what else the machine was doing in the last minute
    before = server.cpu_us_by_thread()
    counts = server.statistics() if modelled else None
    outcome = apply(load, server)
    row: Row = {"experiment": "throughput", "server": name} | _summary(outcome)
    row["load_before"] = load_before
    if counts is None:
        return row
    after, spent = server.statistics(), server.cpu_us_by_thread()
    queries = after.answered - counts.answered
    row["queries_per_batch"] = queries / (after.batches - counts.batches)
    row["model_us"] = (after.model_us.sum - counts.model_us.sum) / queries
    if name != GRPCIO:
        model_us = after.model_us.sum - counts.model_us.sum
        padding_us = after.batch_us.sum - counts.batch_us.sum
        worker = max(
            spent[thread] - before.get(thread, 0.0)
            for thread in spent
            if not thread.startswith("gerank-front")
        )
        model_cpu = worker * model_us / (model_us + padding_us) / outcome["calls_with_warmup"]
        row["model_cpu_us"] = model_cpu
        row["non_model_cpu_us"] = outcome.server_cpu_us - model_cpu
        row["model_share"] = model_cpu / outcome.server_cpu_us
    return row


def _summary(outcome: Outcome) -> Row:
    return {
        "calls_per_s": outcome["calls_per_s"],
        "p50_ms": outcome["p50_us"] / 1e3,
        "p99_ms": outcome["p99_us"] / 1e3,
        "p99.9_ms": outcome["p999_us"] / 1e3,
        "server_cpu_us": outcome.server_cpu_us,
        "failed": outcome["calls"] - outcome["ok"],
    }


def _median_row(rows: list[Row]) -> Row:
    """Medians of the numbers, and how far the throughput went to either side."""
    first = rows[0]
    median = {
        name: statistics.median(row[name] for row in rows) if isinstance(value, float) else value
        for name, value in first.items()
    }
    rates = [row["calls_per_s"] for row in rows]
    return median | {"slowest_round": min(rates), "fastest_round": max(rates)}


def latency(
    servers: dict[str, Server],
    payloads: Path,
    most: dict[str, float],
    seconds: float,
    quick: bool,
) -> list[Row]:
    """Open loop at half of the native front's and of the grpcio front's maximum.

    Beyond its own maximum a front's queue grows for as long as one measures: five seconds.
    """
    rows: list[Row] = []
    curves: dict[str, Any] = {}
    for whose in (GRPCIO, NATIVE):
        rate = most[whose] / 2
        for name in (NATIVE, GRPCIO, ECHO):
            keeps_up = rate < most[name]
            load = Load(payloads, seconds if keeps_up else min(seconds, 5.0), rate=rate, warmup=1.0)
            outcome = apply(load, servers[name])
            label = f"half of the {whose}'s maximum"
            rows.append(
                {"experiment": "latency", "server": name, "rate": label, "per_s": rate}
                | {"keeps_up": keeps_up}
                | _summary(outcome)
            )
            curves[f"{name}, {rate:,.0f}/s"] = outcome["quantiles_us"]
    if not quick:
        plot_latency(curves, RESULTS / "serving_latency.png")
    return rows


def swaps(server: Server, model: Path, payloads: Path, count: int) -> list[Row]:
    """New artifacts under full load; then a damaged one."""
    steady = apply(Load(payloads, max(2.0, count / 5), in_flight=IN_FLIGHT), server)
    sound = [model.read_bytes(), _another(model)]
    load = Load(payloads, count * 0.4, in_flight=IN_FLIGHT)
    generator = load.start(server)
    time.sleep(load.warmup)
    done = 0
    while done < count and generator.poll() is None:
        _put(model, sound[(done + 1) % 2])
        server.send(signal.SIGHUP)
        assert server.line().startswith("now serving"), "a sound artifact was refused"
        done += 1
    _put(model, sound[0][: len(sound[0]) // 2])
    server.send(signal.SIGHUP)
    client = finish(generator)
    again = apply(Load(payloads, 1.0, in_flight=IN_FLIGHT), server)
    return [
        {
            "experiment": "swaps",
            "server": NATIVE,
            "swaps": done,
            "seen_by_the_server": server.statistics().swaps - 1,
            "calls_per_s": client["calls_per_s"],
            "calls": client["calls"],
            "failed": client["calls"] - client["ok"],
            "p99.9_ms": client["p999_us"] / 1e3,
            "steady_p99.9_ms": steady["p999_us"] / 1e3,
            "of_steady": client["p999_us"] / steady["p999_us"],
            "failed_after_a_damaged_one": again["calls"] - again["ok"],
        }
    ]


def _another(model: Path) -> bytes:
    other = model.with_suffix(".other")
    make_artifact(other, seed=1)
    return other.read_bytes()


def _put(model: Path, content: bytes) -> None:
    """As a deployment does it: a rename, so that nobody reads half a file."""
    draft = model.with_suffix(".draft")
    draft.write_bytes(content)
    draft.rename(model)


if __name__ == "__main__":
    main()
