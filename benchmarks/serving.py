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
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import RESULTS, Row, options, publish
from serving.load import (
    DEADLINE_EXCEEDED,
    RESOURCE_EXHAUSTED,
    Load,
    Outcome,
    apply,
    build_tools,
    finish,
)
from serving.plot import plot_latency
from serving.processes import (
    Server,
    echo_command,
    grpcio_command,
    native_command,
    plain_command,
    running,
)
from serving.workload import LARGE, LONG, USUAL, WIDE, Size, make_artifact, write_payloads

IN_FLIGHT = 32
NATIVE, SCRIPTED = "native front", "native front, TorchScript"
GRPCIO, PLAIN, ECHO = "grpcio front", "grpcio + torch.jit", "grpc++ echo"
DEADLINE_MS = 100.0
MAX_QUERIES = 8


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


def overload(folder: Path, size: Size, queries: int, bounded: bool, seconds: float) -> Row:
    """Twice the capacity, every call with a deadline.

    A full queue is worth a quarter of it; or, if not `bounded`, more than all of it.
    """
    model, payloads = folder / "overload.gerank", folder / "overload_payloads"
    make_artifact(model, size=size)
    write_payloads(payloads, 64, queries=queries, size=size)
    in_flight = IN_FLIGHT // queries
    with running({NATIVE: native_command(model)}) as servers:
        found = apply(Load(payloads, min(3.0, seconds), in_flight=in_flight), servers[NATIVE])
    capacity = found["calls_per_s"]
    worth_a_deadline = capacity * queries * DEADLINE_MS / 1e3
    queue = max(MAX_QUERIES, int(worth_a_deadline * (0.25 if bounded else 4)))
    command = native_command(model, max_queue=queue, max_queries=MAX_QUERIES)
    row: Row = {"experiment": "overload", "server": NATIVE}
    row |= asdict(size) | {"pages per call": queries}
    with running({NATIVE: command}) as servers:
        server = servers[NATIVE]
        apply(Load(payloads, 1.0, in_flight=in_flight), server)
        load = Load(payloads, seconds, rate=2 * capacity, deadline_ms=DEADLINE_MS, warmup=1.0)
        row |= _under(load, server)
        after = apply(Load(payloads, 1.0, in_flight=in_flight), server)
    return row | {"capacity_per_s": capacity, "failed_afterwards": after["calls"] - after["ok"]}


def _under(load: Load, server: Server) -> Row:
    """What became of the calls, and the server's memory meanwhile."""
    before, most_memory = server.resident_mb(), 0.0
    generator = load.start(server)
    while generator.poll() is None:
        most_memory = max(most_memory, server.resident_mb())
        time.sleep(0.05)
    client = finish(generator)
    codes = client["codes"]
    refused, expired = codes.get(RESOURCE_EXHAUSTED, 0), codes.get(DEADLINE_EXCEEDED, 0)
    return {
        "per_s": load.rate,
        "seconds": load.seconds,
        "ok_per_s": client["calls_per_s"],
        "p50_ms": client["p50_us"] / 1e3,
        "p99_ms": client["p99_us"] / 1e3,
        "deadline_ms": load.deadline_ms,
        "ok": client["ok"],
        "refused": refused,
        "with_retry_info": client["retry_info"],
        "expired": expired,
        "other": client["calls"] - client["ok"] - refused - expired,
        "memory_before_mb": before,
        "memory_most_mb": most_memory,
    }


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
