"""How soon gerank-server is ready, and what it holds: with the native pass, and with TorchScript.

A server of each implementation is started again and again, in turns. *Ready* is the time from the
start of the process until it says that it serves, after the golden requests and the warm-up.
Memory is read after one call.
"""

from __future__ import annotations

import contextlib
import statistics
import tempfile
import time
from pathlib import Path

from harness import Row, options, progress, publish
from serving.load import Load, apply, build_tools
from serving.processes import ROOT, native_command, running
from serving.workload import make_artifact, write_payloads

IMPLEMENTATIONS = ("native", "torchscript")


def start(model: Path, payloads: Path, implementation: str) -> Row:
    """One server, from its start to its end."""
    command = native_command(model, implementation=implementation)
    began = time.perf_counter()
    with running({implementation: command}) as servers:
        ready = time.perf_counter() - began
        server = servers[implementation]
        apply(Load(payloads, 0.2, in_flight=1, warmup=0.0), server)
        maps = Path(f"/proc/{server.process.pid}/maps").read_text()
        return {
            "implementation": implementation,
            "ready_ms": 1e3 * ready,
            "resident_mb": server.resident_mb(),
            "torch_is_mapped": "libtorch" in maps,
        }


def main() -> None:
    arguments = options(__doc__ or "").parse_args()
    rounds = 3 if arguments.quick else 20
    build_tools()
    found: dict[str, list[Row]] = {name: [] for name in IMPLEMENTATIONS}
    with tempfile.TemporaryDirectory() as folder:
        model, payloads = Path(folder) / "model.gerank", Path(folder) / "payloads"
        make_artifact(model)
        write_payloads(payloads, 16)
        artifact_mb = model.stat().st_size / 2**20
        start(model, payloads, "torchscript")  # its libraries come from the disk
        steps = rounds * len(found)
        with contextlib.nullcontext() if arguments.json else progress(steps, "starts") as advance:
            for _ in range(rounds):
                for name, rows in found.items():
                    rows.append(start(model, payloads, name))
                    if advance is not None:
                        advance()
    library = ROOT / "gerank" / "lib" / "libgerank_runtime.so"
    rows = [
        rows[0]
        | {
            "ready_ms": statistics.median(row["ready_ms"] for row in rows),
            "latest_ms": max(row["ready_ms"] for row in rows),
            "resident_mb": statistics.median(row["resident_mb"] for row in rows),
            "artifact_mb": artifact_mb,
            "runtime_library_mb": library.stat().st_size / 2**20,
        }
        for rows in found.values()
    ]
    publish("server_start", rows, arguments)


if __name__ == "__main__":
    main()
