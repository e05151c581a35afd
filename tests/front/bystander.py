"""What an attack does to everybody else: another caller's waits, memory and descriptors."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.front.call_bytes import RERANK, page
from tests.front.server_process import ServerProcess

WORST_S = 1.0  # what is asserted; what is aimed at is a tenth of it


class Bystander:
    """Another caller of a server, every 10 ms, in a process of its own."""

    def __init__(self, server: ServerProcess) -> None:
        self._server = server
        program = Path(__file__).with_name("steady_caller.py")
        self._caller = subprocess.Popen(
            [sys.executable, str(program), server.address, RERANK],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._ask(page().hex()) == "ready\n"

    @contextmanager
    def unharmed(self, what: str, memory_mib: float = 64) -> Iterator[None]:
        """While the block attacks the server, the other caller goes on.

        Asserts that this caller got every answer and waited less than a second for the slowest,
        that the server's memory grew by no more than `memory_mib`, and that its descriptors
        return. Prints the figures: `pytest -s` shows them.
        """
        server = self._server
        descriptors, used = server.descriptors, server.cpu_s
        server.forget_peak()
        before = server.resident_mib
        self._found()
        yield
        found = self._found()
        grown, used = server.peak_mib - before, server.cpu_s - used
        calls, errors, worst_s = found["calls"], found["errors"], found["worst_s"]
        sys.stdout.write(
            f"\n{what}: worst wait of {calls} other calls {worst_s * 1000:.0f} ms, "
            f"memory +{grown:.0f} MiB at the peak, CPU {used:.1f} s\n"
        )
        assert not errors, f"{len(errors)} of {calls} other calls failed: {errors[0]}"
        assert worst_s < WORST_S, f"another caller waited {worst_s:.2f} s"
        assert grown < memory_mib, f"{grown:.0f} MiB more, {memory_mib:.0f} allowed"
        server.await_descriptors(descriptors)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._caller.kill()
        self._caller.communicate()

    def _ask(self, line: str) -> str:
        assert self._caller.stdin is not None and self._caller.stdout is not None
        self._caller.stdin.write(line + "\n")
        self._caller.stdin.flush()
        return self._caller.stdout.readline()

    def _found(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self._ask("tell"))
        return found
