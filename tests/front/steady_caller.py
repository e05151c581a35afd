"""A well-behaved caller in a process of its own: it calls all the time and measures its worst wait.

`python steady_caller.py ADDRESS METHOD`; the first line of stdin is the message in hexadecimal. The
answer to that line is "ready", to each later one the calls since the line before, the errors among
them and the worst wait in seconds, a call still open included, as JSON.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from dataclasses import asdict, dataclass, field

import grpc

PAUSE_S = 0.01


@dataclass
class Found:
    """What the calls of one stretch of time met."""

    calls: int = 0
    worst_s: float = 0.0
    errors: list[str] = field(default_factory=list)


class SteadyCaller:
    """Calls for ever, one call after the other."""

    def __init__(self, channel: grpc.Channel, method: str, message: bytes) -> None:
        self._call = channel.unary_unary(method)
        self._message = message
        self._lock = threading.Lock()
        self._found = Found()
        self._began = time.monotonic()

    def run(self) -> None:
        """Never returns."""
        while True:
            self._began = time.monotonic()
            error = self._error()
            took = time.monotonic() - self._began
            with self._lock:
                self._found.calls += 1
                self._found.worst_s = max(self._found.worst_s, took)
                self._found.errors += [error] if error else []
            time.sleep(PAUSE_S)

    def take(self) -> Found:
        """What was found since the last time; waits for the call that is open."""
        with self._lock:
            count = self._found.calls
        while True:
            with self._lock:
                if self._found.calls > count:
                    found, self._found = self._found, Found()
                    return found
            time.sleep(0.001)

    def _error(self) -> str:
        try:
            self._call(self._message, timeout=10)
        except grpc.RpcError as error:
            return f"{error.code().name}: {error.details()}"
        return ""


def main() -> None:
    """Answers lines until stdin ends."""
    address, method = sys.argv[1:]
    message = bytes.fromhex(sys.stdin.readline())
    with grpc.insecure_channel(address, options=[("grpc.enable_retries", 0)]) as channel:
        caller = SteadyCaller(channel, method, message)
        threading.Thread(target=caller.run, daemon=True).start()
        caller.take()
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        for _ in sys.stdin:
            sys.stdout.write(json.dumps(asdict(caller.take())) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
