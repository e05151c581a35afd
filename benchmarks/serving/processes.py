"""The servers of the benchmark as processes, and what they cost, from /proc."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from gerank.proto import rerank_pb2 as pb

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / "build" / "serving"
NATIVE = "native front"
"""Its name in tables."""
_TICK_US = 1e6 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """A running server.

    Attributes:
        name: For tables.
        process: The process itself.
        address: `host:port`.
        authority: The certificate that its own is signed by, in PEM; empty = no TLS.
    """

    name: str
    process: subprocess.Popen[str]
    address: str
    authority: str = ""

    def cpu_us(self) -> float:
        """CPU of all of its threads so far, in microseconds."""
        return _cpu_us(Path(f"/proc/{self.process.pid}/stat"))

    def cpu_us_by_thread(self) -> dict[str, float]:
        """The same by thread; `name/tid` -> microseconds."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return {f"{_name(t)}/{t.name}": _cpu_us(t / "stat") for t in threads}

    def resident_mb(self) -> float:
        """Memory that it holds."""
        pages = int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def descriptors(self) -> int:
        """How many files and sockets it has open."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def statistics(self) -> pb.StatisticsResponse:
        """What the server counted; of a gerank server only."""
        with grpc.insecure_channel(self.address) as channel:
            answer = channel.unary_unary("/gerank.v1.RerankService/Statistics")(b"", timeout=30)
        return pb.StatisticsResponse.FromString(answer)

    def send(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    def line(self) -> str:
        """The next line that the server prints."""
        assert self.process.stdout is not None
        return self.process.stdout.readline()


def native_command(model: Path, **options: object) -> list[str]:
    """The native front without Python."""
    program = ROOT / "gerank" / "lib" / "gerank-server"
    numbers = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    words = [word for number in numbers for word in number.split("=")]
    return [str(program), "--model", str(model), "--address", "127.0.0.1:0", *words]


def grpcio_command(model: Path, **options: int) -> list[str]:
    """The front in Python."""
    numbers = [f"--{name.replace('_', '-')}={value}" for name, value in options.items()]
    front = ["serve", "--model", str(model), "--port", "0", "--front", "grpcio"]
    return [sys.executable, "-m", "gerank", *front, *numbers]


def plain_command(model: Path) -> list[str]:
    """Grpcio and torch.jit by hand."""
    return [sys.executable, str(ROOT / "benchmarks" / "serving" / "plain_server.py"), str(model)]


def echo_command(answer: Path) -> list[str]:
    """grpc++ alone."""
    return [str(BUILD / "echo_server"), "--answer", str(answer)]


def logged(command: list[str], log: Path) -> list[str]:
    """The same, with its standard error at the end of a file."""
    return ["sh", "-c", f'exec "$0" "$@" 2>>{log}', *command]


@contextmanager
def running(
    commands: Mapping[str, list[str]], authorities: Mapping[str, Path] | None = None
) -> Iterator[dict[str, Server]]:
    """Starts every server; ends them at the end of the block.

    Args:
        commands: One per server, by name.
        authorities: What signed the certificates of those that speak TLS.
    """
    servers: dict[str, Server] = {}
    try:
        for name, command in commands.items():
            process = subprocess.Popen(
                command, stdout=subprocess.PIPE, text=True, env=_environment()
            )
            servers[name] = Server(name, process, "")
            port = servers[name].line().split()[-1].split(":")[-1]
            authority = str((authorities or {}).get(name, ""))
            servers[name] = Server(name, process, f"127.0.0.1:{port}", authority)
        yield servers
    finally:
        for server in servers.values():
            server.process.terminate()
        for server in servers.values():
            server.process.wait(timeout=60)


def _environment() -> dict[str, str]:
    paths = [str(ROOT), str(ROOT / "server"), os.environ.get("PYTHONPATH", "")]
    return os.environ | {"PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}


def _cpu_us(stat: Path) -> float:
    fields = stat.read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) * _TICK_US


def _name(task: Path) -> str:
    return (task / "comm").read_text().strip()
