"""A native server under load for half an hour: nothing is lost, and nothing grows.

An open loop asks for `--share` of what the same server, with the same options, could answer before:
pages of 20 and of 100 candidates, and calls of eight pages. All along, a new artifact is swapped in
every minute, and a client with calls in flight is killed every ten seconds; what that client asks
for is a part of the share. The server keeps metrics, a JSON log and exposures; its queue holds what
it can answer in a quarter of a second, as docs/operations.md sizes it. Its resident memory and
descriptors are read every second.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from harness import Row, options, progress, publish
from serving.load import RESOURCE_EXHAUSTED, Load, apply, build_tools, finish
from serving.processes import Server, logged, native_command, running
from serving.workload import LARGE, USUAL, Size, make_artifact, write_payloads

from gerank.proto import rerank_pb2 as pb

NAME = "native front"
SETTLED_S = 300.0  # memory is compared with that of this moment, and looked at as often
SWAP_S, KILL_S = 60.0, 10.0
QUEUE_S = 0.25  # that the pages in the queue may take
KILLED_SHARE = 0.02  # of the capacity, by the client that is killed


@dataclass
class Watch:
    """What was read of the server, second by second."""

    seconds: list[float] = field(default_factory=list)
    memory_mb: list[float] = field(default_factory=list)
    descriptors: list[int] = field(default_factory=list)

    def look(self, server: Server, second: float) -> None:
        """Reads the server's memory and descriptors."""
        self.seconds.append(second)
        self.memory_mb.append(server.resident_mb())
        self.descriptors.append(server.descriptors())

    def around(self, second: float, span: float) -> tuple[float, float]:
        """Medians of memory and descriptors in the `span` seconds up to `second`."""
        places = [i for i, at in enumerate(self.seconds) if second - span <= at <= second]
        memory = statistics.median(self.memory_mb[i] for i in places)
        return memory, statistics.median(self.descriptors[i] for i in places)


KINDS: list[tuple[Size, int, int]] = [(USUAL, 1, 160), (LARGE, 1, 16), (USUAL, 8, 16)]
"""Calls: the size of their pages, how many pages each has, and how many calls there are."""
PAGES_PER_CALL = sum(pages * calls for _, pages, calls in KINDS) / sum(c for _, _, c in KINDS)


def mixed_payloads(folder: Path) -> Path:
    """One file of pages of 20 and of 100 candidates, and of calls of eight."""
    mixed = folder / "mixed"
    with mixed.open("wb") as file:
        for size, queries, count in KINDS:
            write_payloads(folder / "part", count, queries=queries, size=size)
            file.write((folder / "part").read_bytes())
    return mixed


def killed_client(server: Server, payloads: Path, rate: float) -> subprocess.Popen[str]:
    """A client of its own, which is to be killed."""
    return Load(payloads, 60.0, rate=rate, connections=2, warmup=0.0).start(server)


def soak(folder: Path, seconds: float, share: float) -> Row:
    model = folder / "model.gerank"
    make_artifact(model, size=LARGE)
    contents = [model.read_bytes()]
    make_artifact(model, seed=1, size=LARGE)
    contents.append(model.read_bytes())
    payloads = mixed_payloads(folder)
    words = ["--metrics-address", "127.0.0.1:0", "--log-format", "json", "--exposures"]
    words += [str(folder / "exposures"), "--exposure-max-bytes", str(256 << 20)]
    command = [*native_command(model), *words]
    with running({NAME: logged(command, folder / "first-log")}) as servers:
        servers[NAME].line()  # where its metrics are
        load = Load(payloads, min(20.0, seconds), in_flight=32)
        capacity = apply(load, servers[NAME])["calls_per_s"]
    command += ["--max-queue", str(int(QUEUE_S * capacity * PAGES_PER_CALL))]
    with running({NAME: logged(command, folder / "log")}) as servers:
        server = servers[NAME]
        server.line()  # where its metrics are
        before = server.statistics()
        small = KILLED_SHARE * capacity
        load = Load(payloads, seconds, rate=share * capacity - small, warmup=1.0)
        watch, generator = Watch(), load.start(server)
        swaps, kills = disturb(
            server,
            generator,
            watch,
            swap=lambda count: _swap(server, model, contents[count % 2]),
            client=lambda: killed_client(server, payloads, small),
            seconds=seconds,
        )
        client = finish(generator)
        time.sleep(1.0)
        after = server.statistics()
    row = {"seconds": seconds, "capacity_per_s": capacity, "asked_per_s": load.rate + small}
    row |= {"swaps": swaps, "killed_clients": kills}
    return row | _calls(client) | _counted(before, after) | _held(watch, seconds)


def disturb(
    server: Server,
    generator: subprocess.Popen[str],
    watch: Watch,
    *,
    swap: Callable[[int], None],
    client: Callable[[], subprocess.Popen[str]],
    seconds: float,
) -> tuple[int, int]:
    """Swaps artifacts and kills clients as long as the load goes on; how many of each."""
    began = time.monotonic()
    swaps = kills = 0
    victim = client()
    with progress(int(seconds), "seconds") as advance:
        while generator.poll() is None:
            time.sleep(1.0)
            passed = time.monotonic() - began
            watch.look(server, passed)
            if passed >= (kills + 1) * KILL_S:
                victim.kill()
                victim.wait()
                victim = client()
                kills += 1
            if passed >= (swaps + 1) * SWAP_S:
                swaps += 1
                swap(swaps)
            advance()
    victim.kill()
    victim.wait()
    return swaps, kills


def _calls(client: Row) -> Row:
    """What the load saw."""
    return {
        "calls": client["calls"],
        "failed": client["calls"] - client["ok"],
        "refused": client["codes"].get(RESOURCE_EXHAUSTED, 0),
        "p50_ms": client["p50_us"] / 1e3,
        "p99_ms": client["p99_us"] / 1e3,
        "p99.9_ms": client["p999_us"] / 1e3,
    }


def _counted(before: pb.StatisticsResponse, after: pb.StatisticsResponse) -> Row:
    """What the server counted between two moments."""
    ended = sum(
        getattr(after, name) - getattr(before, name)
        for name in ("answered", "expired", "cancelled", "failed")
    )
    return {
        "cancelled_queries": after.cancelled - before.cancelled,
        "queries_unaccounted": after.accepted - before.accepted - ended,
        "model_failures": after.failed - before.failed,
        "exposures_lost": after.exposures_lost,
    }


def _held(watch: Watch, seconds: float) -> Row:
    """Memory and descriptors, at first, at the end, and from part to part."""
    part = min(SETTLED_S, seconds / 2)
    settled, settled_fds = watch.around(part, 30.0)
    end, end_fds = watch.around(watch.seconds[-1], 30.0)
    moments = [n * part for n in range(1, int(watch.seconds[-1] / part) + 1)]
    return {
        "memory_settled_mb": settled,
        "memory_end_mb": end,
        "memory_growth": end / settled - 1,
        "memory_by_time_mb": [round(watch.around(moment, 30.0)[0], 1) for moment in moments],
        "descriptors_settled": settled_fds,
        "descriptors_end": end_fds,
    }


def _swap(server: Server, model: Path, content: bytes) -> None:
    draft = model.with_suffix(".draft")
    draft.write_bytes(content)
    draft.rename(model)
    server.send(signal.SIGHUP)
    line = server.line()
    if not line.startswith("now serving"):
        raise RuntimeError(f"the swap was not made: {line!r}")


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--share", type=float, default=0.8, help="of the capacity (default 0.8)")
    parser.add_argument("--seconds", type=float, default=1800.0, help="default 1800")
    arguments = parser.parse_args()
    build_tools()
    with tempfile.TemporaryDirectory() as folder:
        row = soak(Path(folder), 20.0 if arguments.quick else arguments.seconds, arguments.share)
    publish("soak", [row], arguments)


if __name__ == "__main__":
    main()
