"""What the native server's settings cost: each beside a server without it, in turns.

Every setting is a gerank-server of its own, all of them run throughout. *Full load*: 32 calls in
flight. *Half load*: an open loop at half of what the server without settings answers. A ratio is
the median over rounds, to the server without settings in the same round.

- `--spin-us`, `--max-delay-us`: what a worker does that finds little or nothing to do.
- Metrics, scraped twice a second; the log as JSON at its finest level; exposures of all calls;
  TLS; and all four together.
"""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

from harness import Row, options, progress, publish
from serving.load import Load, Outcome, apply, build_tools
from serving.processes import Server, logged, native_command, running
from serving.workload import make_artifact, write_payloads

IN_FLIGHT = 32
NONE, METRICS, ALL = "none", "metrics", "metrics, JSON log, exposures, TLS"
IDLING: dict[str, list[str]] = {
    "spin 20 us": ["--spin-us", "20"],
    "spin 50 us": ["--spin-us", "50"],
    "spin 200 us": ["--spin-us", "200"],
    "max delay 100 us": ["--max-delay-us", "100"],
    "max delay 300 us": ["--max-delay-us", "300"],
}


def settings(folder: Path) -> dict[str, list[str]]:
    """What each server is told beyond the model and its address."""
    log = ["--log-format", "json", "--log-level", "debug"]
    tls = ["--tls-certificate", str(folder / "server.pem"), "--tls-key", str(folder / "server.key")]
    metrics = ["--metrics-address", "127.0.0.1:0"]

    def exposures(name: str) -> list[str]:
        return ["--exposures", str(folder / name), "--exposure-max-bytes", str(1 << 30)]

    return {
        NONE: [],
        **IDLING,
        METRICS: metrics,
        "JSON log": log,
        "exposures": exposures("exposures"),
        "TLS": tls,
        ALL: [*metrics, *log, *exposures("all"), *tls],
    }


def make_certificate(folder: Path) -> Path:
    """A certificate that signs itself, for 127.0.0.1."""
    certificate = folder / "server.pem"
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"),
        *("-nodes", "-keyout", str(folder / "server.key"), "-out", str(certificate)),
        *("-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1", "-days", "2"),
    ]
    subprocess.run(command, check=True, capture_output=True)
    return certificate


@contextlib.contextmanager
def scraped(servers: dict[str, Server]) -> Iterator[None]:
    """Asks every server that has metrics for them, twice a second."""
    over = threading.Event()
    places = [servers[name].line().split()[-1] for name in (METRICS, ALL)]

    def scrape() -> None:
        while not over.wait(0.5):
            for place in places:
                urllib.request.urlopen(f"http://{place}/metrics", timeout=10).read()

    thread = threading.Thread(target=scrape)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def measured(load: Load, server: Server) -> Outcome:
    """What a load came to.

    Raises:
        RuntimeError: A call failed.
    """
    outcome = apply(load, server)
    failed = outcome["calls"] - outcome["ok"]
    if failed:
        raise RuntimeError(f"{server.name}: {failed} of {outcome['calls']} calls failed")
    return outcome


def compare(folder: Path, seconds: float, rounds: int) -> list[Row]:
    model, payloads = folder / "model.gerank", folder / "payloads"
    make_artifact(model)
    write_payloads(payloads, 256)
    authority = make_certificate(folder)
    told = settings(folder)
    commands = {
        name: logged([*native_command(model), *words], folder / "log")
        for name, words in told.items()
    }
    full: dict[str, list[Outcome]] = {name: [] for name in told}
    half: dict[str, list[Outcome]] = {name: [] for name in told}
    with running(commands, dict.fromkeys(("TLS", ALL), authority)) as servers:
        at_full = Load(payloads, seconds, in_flight=IN_FLIGHT)
        most = measured(at_full, servers[NONE])["calls_per_s"]
        at_half = Load(payloads, seconds, rate=most / 2)
        with scraped(servers), progress(rounds * len(servers), "rounds of servers") as advance:
            for turn in range(rounds):
                names = list(servers)
                for name in names if turn % 2 == 0 else names[::-1]:
                    full[name].append(measured(at_full, servers[name]))
                    half[name].append(measured(at_half, servers[name]))
                    advance()
    return [row(name, full, half, most / 2) for name in told]


def row(
    name: str, full: dict[str, list[Outcome]], half: dict[str, list[Outcome]], rate: float
) -> Row:
    def ratio(outcomes: dict[str, list[Outcome]], of: Callable[[Outcome], float]) -> float:
        pairs = zip(outcomes[name], outcomes[NONE], strict=True)
        return statistics.median(of(each) / of(plain) for each, plain in pairs)

    def median(field: str) -> float:
        return statistics.median(outcome[field] for outcome in half[name]) / 1e3

    def rate_of(outcome: Outcome) -> float:
        return float(outcome["calls_per_s"])

    def cpu_of(outcome: Outcome) -> float:
        return outcome.server_cpu_us

    return {
        "setting": name,
        "calls_per_s": statistics.median(map(rate_of, full[name])),
        "throughput_ratio": ratio(full, rate_of),
        "cpu_ratio": ratio(full, cpu_of),
        "half_load_per_s": rate,
        "half_load_cpu_us": statistics.median(map(cpu_of, half[name])),
        "half_load_cpu_ratio": ratio(half, cpu_of),
        "half_load_p50_ms": median("p50_us"),
        "half_load_p99_ms": median("p99_us"),
    }


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    build_tools()
    with tempfile.TemporaryDirectory() as folder:
        seconds, rounds = (0.5, 1) if arguments.quick else (3.0, 7)
        rows = compare(Path(folder), seconds, rounds)
    publish("server_settings", rows, arguments)


if __name__ == "__main__":
    main()
