"""Runs the load generator against a server, and tells what that cost the server."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from serving.processes import BUILD, ROOT, Server

OK, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED = "0", "4", "8"
IN_FLIGHT = 32
"""Calls that a closed loop has open."""


@dataclass(frozen=True)
class Load:
    """What is sent.

    Attributes:
        payloads: A file of `workload.write_payloads`.
        seconds: Measured, after `warmup` seconds.
        in_flight: Closed loop with so many calls open; 0 = open loop.
        rate: Calls per second of an open loop.
        deadline_ms: Limits the time of every call; 0 = none.
        connections: Over which the calls are spread.
    """

    payloads: Path
    seconds: float
    in_flight: int = 0
    rate: float = 0.0
    deadline_ms: float = 0.0
    connections: int = 4
    warmup: float = 0.5

    def start(self, server: Server) -> subprocess.Popen[str]:
        """The generator, at work."""
        numbers = {
            "seconds": self.seconds,
            "warmup": self.warmup,
            "in-flight": self.in_flight,
            "rate": self.rate,
            "deadline-ms": self.deadline_ms,
            "connections": self.connections,
        }
        words = [f"--target={server.address}", f"--payloads={self.payloads}"]
        if server.authority:
            words.append(f"--authority={server.authority}")
        words += [f"--{name}={value}" for name, value in numbers.items()]
        command = [
            str(BUILD / "load_generator"),
            *(w for word in words for w in word.split("=", 1)),
        ]
        return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


@dataclass(frozen=True)
class Outcome:
    """What came back.

    Attributes:
        client: What the generator tells: see load_generator.cpp.
        server_cpu_us: Is the processor time of the server, per call.
    """

    client: dict[str, Any]
    server_cpu_us: float

    def __getitem__(self, name: str) -> Any:
        return self.client[name]


def apply(load: Load, server: Server) -> Outcome:
    """Sends the load to its end."""
    before = server.cpu_us()
    client = finish(load.start(server))
    return Outcome(client, (server.cpu_us() - before) / client["calls_with_warmup"])


def finish(generator: subprocess.Popen[str]) -> dict[str, Any]:
    """Waits for a generator, and reads what it tells."""
    out, _ = generator.communicate(timeout=600)
    if generator.returncode != 0:
        raise RuntimeError(f"load_generator ended with {generator.returncode}")
    document: dict[str, Any] = json.loads(out)
    return document


def build_tools() -> None:
    """Compiles the generator and the echo server; needs grpc++.

    Raises:
        SystemExit: grpc++ is missing, or the build fails; says which.
    """
    if shutil.which("grpc_cpp_plugin") is None:
        sys.exit("benchmarks/serving needs grpc++: apt install libgrpc++-dev")
    tools = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    source = str(ROOT / "benchmarks" / "serving")
    for command in (["cmake", "-S", source, "-B", str(BUILD)], ["cmake", "--build", str(BUILD)]):
        result = subprocess.run(
            command, env=os.environ | {"PATH": tools}, capture_output=True, text=True
        )
        if result.returncode != 0:
            sys.exit(f"{' '.join(command)} failed:\n{result.stdout}{result.stderr}")
