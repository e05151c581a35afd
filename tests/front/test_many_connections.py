"""More connections than there is room for, and as many as there is (GERANK_FRONT_CONNECTIONS)."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import time
from pathlib import Path

import pytest

from tests.front.bystander import Bystander
from tests.front.call_bytes import page
from tests.front.ordered_model import write_ordered_model
from tests.front.raw_connection import RawConnection
from tests.front.server_process import ServerProcess

CONNECTIONS = int(os.environ.get("GERANK_FRONT_CONNECTIONS", "2000"))
FILES = 128


def _room() -> int:
    """How many connections this process may hold, a few descriptors aside."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard - 200


@pytest.fixture(scope="module")
def ordered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An artifact that needs no descriptor to answer."""
    path = tmp_path_factory.mktemp("ordered") / "ordered.gerank"
    write_ordered_model(path)
    return path


def test_many_connections_are_served_at_once(server: ServerProcess, bystander: Bystander) -> None:
    """Each of 2,000 connections (10,000 with GERANK_FRONT_CONNECTIONS=10000) gets its answer while
    all are open, within 32 KiB each, and all their descriptors return."""
    count = min(CONNECTIONS, _room())
    allowed = 64 + count * 32 / 1024
    with contextlib.ExitStack() as stack, bystander.unharmed(f"{count} connections", allowed):
        opened = [stack.enter_context(RawConnection(server.port)) for _ in range(count)]
        for connection in opened[:: max(1, count // 200)]:
            assert connection.call(page()).status == 0
        for connection in opened:
            connection.close()


def test_a_server_out_of_descriptors_accepts_again(ordered: Path) -> None:
    """accept(2) fails with EMFILE: those who are connected are served, the server does not spin,
    and it accepts again once connections close."""
    with ServerProcess(ordered, files=FILES) as server, contextlib.ExitStack() as stack:
        early = stack.enter_context(RawConnection(server.port))
        assert early.call(page()).status == 0
        before = server.descriptors
        held = []
        for _ in range(FILES + 72):
            with contextlib.suppress(OSError):
                held.append(socket.create_connection(("127.0.0.1", server.port), timeout=2))
        time.sleep(0.5)
        assert server.descriptors > FILES - 10, "descriptors are left: nothing is tested"
        used = server.cpu_s
        time.sleep(1)
        assert server.cpu_s - used < 0.5, "it spins while it cannot accept"
        assert early.call(page()).status == 0
        for connection in held:
            connection.close()
        server.await_descriptors(before)
        with RawConnection(server.port) as later:
            assert later.call(page()).status == 0


@pytest.mark.parametrize("rounds", [3])
def test_descriptors_run_out_again_and_again(ordered: Path, rounds: int) -> None:
    """The same several times: what is lost in each round would add up."""
    with ServerProcess(ordered, files=FILES) as server:
        with RawConnection(server.port) as first:
            first.call(page())
        before = server.descriptors
        for _ in range(rounds):
            held = []
            for _ in range(FILES + 50):
                with contextlib.suppress(OSError):
                    held.append(socket.create_connection(("127.0.0.1", server.port), timeout=2))
            for connection in held:
                connection.close()
            with RawConnection(server.port) as later:
                assert later.call(page()).status == 0
        server.await_descriptors(before)
