"""What the fuzzers of tests/fuzz found their way by, sent to a real server: it serves on."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from tests.front.frames import PREFACE
from tests.front.raw_connection import RawConnection
from tests.front.server_process import ServerProcess

CORPUS = Path(__file__).parents[1] / "fuzz" / "corpus"
REQUESTS = sorted((CORPUS / "request").iterdir())
CONNECTIONS = sorted((CORPUS / "connection").iterdir())


def test_requests_get_an_answer_each(connection: RawConnection) -> None:
    assert len(REQUESTS) > 20
    for place in REQUESTS:
        answer = connection.call(place.read_bytes())
        assert answer.status is not None, place.name
        assert answer.status not in (2, 13), (place.name, answer.message)  # UNKNOWN, INTERNAL


@pytest.mark.timeout(120)
def test_connections_leave_nothing_behind(server: ServerProcess) -> None:
    """The first byte says whether the preface goes before: see fuzz_connection.cpp."""
    assert len(CONNECTIONS) > 20
    before = server.descriptors
    for place in CONNECTIONS:
        how, content = place.read_bytes()[:1], place.read_bytes()[1:]
        with RawConnection(server.port, preface=False) as opened:
            opened.send((b"" if how[0] & 1 else PREFACE) + content)
            with contextlib.suppress(OSError):  # the server may have hung up
                opened.socket.shutdown(socket.SHUT_WR)
                while opened.socket.recv(1 << 16):
                    pass
    server.await_descriptors(before)
