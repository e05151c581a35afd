"""Twice as many calls as a server can answer, and what becomes of them and of its memory."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path

from harness import Row

from serving.load import (
    DEADLINE_EXCEEDED,
    IN_FLIGHT,
    RESOURCE_EXHAUSTED,
    Load,
    apply,
    finish,
)
from serving.processes import NATIVE, Server, native_command, running
from serving.workload import Size, make_artifact, write_payloads

DEADLINE_MS = 100.0
MAX_QUERIES = 8


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
