"""The native front as a process of its own, with what the kernel tells of it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import grpc

from gerank_server.native import library_path
from tests.cli.command import environment

PROGRAM = library_path().parent / "gerank-server"
_MIB = 1 << 20


class ServerProcess:
    """A running server.

    Attributes:
        port: Where it listens, on the loopback interface.
        address: `host:port`.
    """

    def __init__(
        self,
        model: Path,
        options: Sequence[object] = (),
        *,
        port: int = 0,
        files: int | None = None,
        in_python: bool = False,
    ) -> None:
        """Starts it.

        Args:
            model: The artifact.
            options: Words of its command line.
            port: Where it listens; 0 is any.
            files: How many descriptors it may hold, as soft and hard limit.
            in_python: Whether `gerank serve` hosts the front, and not gerank-server.
        """
        limit = [] if files is None else ["prlimit", f"--nofile={files}:{files}"]
        if in_python:
            program = [sys.executable, "-m", "gerank", "serve", "--front", "native"]
            program += ["--host", "127.0.0.1", "--port", str(port)]
        else:
            program = [str(PROGRAM), "--address", f"127.0.0.1:{port}"]
        words = [*limit, *program, "--model", model, *options]
        self.process = subprocess.Popen(
            list(map(str, words)), stdout=subprocess.PIPE, env=environment()
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode()
        assert line.startswith("serving"), f"the server did not start: {line!r}"
        self.address = line.split()[-1]
        self.port = int(self.address.rpartition(":")[2])

    @property
    def descriptors(self) -> int:
        """How many files and sockets it holds."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    @property
    def threads(self) -> int:
        """How many threads it has."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    @property
    def resident_mib(self) -> float:
        """Its resident memory, MiB."""
        return self._memory_mib("VmRSS")

    @property
    def peak_mib(self) -> float:
        """The most resident memory since `forget_peak`, MiB."""
        return self._memory_mib("VmHWM")

    @property
    def cpu_s(self) -> float:
        """CPU seconds that it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def forget_peak(self) -> None:
        """Begins to measure the peak anew."""
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def await_descriptors(self, most: int, timeout_s: float = 10) -> None:
        """Returns when it holds at most so many."""
        end = time.monotonic() + timeout_s
        while (found := self.descriptors) > most:
            assert time.monotonic() < end, f"{found} descriptors are held, at most {most} before"
            time.sleep(0.05)

    def own_channel(self, **options: object) -> grpc.Channel:
        """A connection of grpcio that no other channel shares."""
        named = [(name.replace("__", "."), value) for name, value in options.items()]
        return grpc.insecure_channel(
            self.address, options=[("grpc.use_local_subchannel_pool", 1), *named]
        )

    def terminate(self, timeout_s: float = 30) -> int:
        """Sends SIGTERM and waits; returns the exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=timeout_s)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()

    def _memory_mib(self, name: str) -> float:
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"^{name}:\s+(\d+) kB$", status, flags=re.MULTILINE)
        assert found is not None
        return int(found[1]) * 1024 / _MIB
