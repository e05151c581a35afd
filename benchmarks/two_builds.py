"""The servers of two builds of gerank, in turns: throughput and CPU per call, new over old.

`--old DIR` is the checkout of the other build, compiled in place; without it a build is compared
with itself, which shows what the machine's noise alone makes of the ratios. Each serves the same
model, in an artifact that it wrote itself, to the same closed loop of 32 calls in flight; a round
asks every server once, and a ratio is the median over rounds of the two neighbours in time.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from harness import Row, options, publish
from serving.load import Load, apply, build_tools
from serving.processes import ROOT, Server, running
from serving.workload import write_payloads

IN_FLIGHT = 32
FRONTS = ("native", "grpcio")


WRITE = (
    "import sys; from pathlib import Path; from serving.workload import make_artifact; "
    "make_artifact(Path(sys.argv[1]))"
)


def environment_of(checkout: Path) -> list[str]:
    """Runs a program with the package, the servers and the benchmarks of a checkout."""
    folders = (checkout, checkout / "server", checkout / "benchmarks")
    return ["env", f"PYTHONPATH={os.pathsep.join(map(str, folders))}", "OMP_NUM_THREADS=1"]


def written(checkout: Path, path: Path) -> Path:
    """The model of the benchmark, as the build of a checkout writes it."""
    words = [*environment_of(checkout), sys.executable, "-P", "-c", WRITE, str(path)]
    subprocess.run(words, check=True)
    return path


def command(checkout: Path, model: Path, front: str) -> list[str]:
    """Serves the model with the build of a checkout."""
    environment = environment_of(checkout)
    if front == "native":
        program = checkout / "gerank" / "lib" / "gerank-server"
        return [*environment, str(program), "--model", str(model), "--address", "127.0.0.1:0"]
    serve = ["serve", "--model", str(model), "--port", "0", "--front", front]
    return [*environment, sys.executable, "-P", "-m", "gerank", *serve]  # not of this folder


def compare(old: Path, folder: Path, seconds: float, rounds: int) -> list[Row]:
    builds = {"old": old, "new": ROOT}
    models = {name: written(build, folder / f"{name}.gerank") for name, build in builds.items()}
    payloads = folder / "payloads"
    write_payloads(payloads, 256)
    load = Load(payloads, seconds, in_flight=IN_FLIGHT)
    commands = {
        f"{front} {name}": command(build, models[name], front)
        for front in FRONTS
        for name, build in builds.items()
    }
    told: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    with running(commands) as servers:
        for turn in range(rounds):
            names = list(servers)
            for name in names if turn % 2 == 0 else names[::-1]:  # no build is always the first
                told[name].append(measured(load, servers[name]))
    return [row(front, told[f"{front} old"], told[f"{front} new"]) for front in FRONTS]


def measured(load: Load, server: Server) -> tuple[float, float]:
    """Calls per second, and the server's CPU per call in microseconds.

    Raises:
        RuntimeError: A call failed.
    """
    outcome = apply(load, server)
    failed = outcome["calls"] - outcome["ok"]
    if failed:
        raise RuntimeError(f"{server.name}: {failed} of {outcome['calls']} calls failed")
    return outcome["calls_per_s"], outcome.server_cpu_us


def row(front: str, old: list[tuple[float, float]], new: list[tuple[float, float]]) -> Row:
    median = statistics.median
    pairs = list(zip(old, new, strict=True))
    return {
        "front": front,
        "old_calls_per_s": median(calls for calls, _ in old),
        "new_calls_per_s": median(calls for calls, _ in new),
        "throughput_ratio": median(b[0] / a[0] for a, b in pairs),
        "throughput_ratio_low": min(b[0] / a[0] for a, b in pairs),
        "throughput_ratio_high": max(b[0] / a[0] for a, b in pairs),
        "old_cpu_us": median(cpu for _, cpu in old),
        "new_cpu_us": median(cpu for _, cpu in new),
        "cpu_ratio": median(b[1] / a[1] for a, b in pairs),
    }


def main() -> None:
    parser = options(__doc__ or "")
    parser.add_argument("--old", type=Path, default=ROOT, help="checkout of the other build")
    arguments = parser.parse_args()
    build_tools()
    with tempfile.TemporaryDirectory() as folder:
        seconds, rounds = (1.5, 1) if arguments.quick else (5.0, 9)
        rows = compare(arguments.old.resolve(), Path(folder), seconds, rounds)
    publish("two_builds", rows, arguments, commit=arguments.old != ROOT)


if __name__ == "__main__":
    main()
