"""Clients that read or write slowly, or not at all: they hold up nobody but themselves."""

from __future__ import annotations

import contextlib
import socket
import threading
import time

import pytest

from tests.front.bystander import Bystander
from tests.front.call_bytes import (
    DESCRIBE,
    HEALTH_CHECK,
    HEALTH_WATCH,
    STATISTICS,
    call_headers,
    page,
)
from tests.front.frames import PREFACE, Flag, Kind, Setting, frame, framed, settings_frame
from tests.front.raw_connection import RawConnection
from tests.front.server_process import ServerProcess

METHODS = {"Check": HEALTH_CHECK, "Describe": DESCRIBE, "Statistics": STATISTICS}


def test_readers_without_a_window_hold_up_nobody(
    server: ServerProcess, bystander: Bystander
) -> None:
    """RFC 9113, 5.2.2: flow control lets a peer withhold memory; calls of every method whose
    answers cannot leave keep neither health nor anything else from others."""
    with contextlib.ExitStack() as stack, bystander.unharmed("window of 0"):
        readers = []
        for path in [*METHODS.values(), HEALTH_WATCH]:
            settings = {Setting.INITIAL_WINDOW_SIZE: 0}
            reader = stack.enter_context(RawConnection(server.port, settings, grants_window=False))
            for _ in range(50):
                reader.send_call(b"", path)
            readers.append(reader)
        with RawConnection(server.port) as other:
            for path in METHODS.values():
                assert other.call(b"", path).status == 0
        time.sleep(1)
        for reader in readers:
            reader.close()


def test_readers_that_do_not_read_their_socket_hold_up_nobody(
    server: ServerProcess, bystander: Bystander
) -> None:
    """A large window, and a socket that is never read: what the kernel does not take waits, within
    bounds, and the server goes on."""
    with bystander.unharmed("unread sockets"), contextlib.ExitStack() as stack:
        for _ in range(4):
            raw = stack.enter_context(socket.socket())
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", server.port))
            raw.settimeout(0.5)
            grants = {Setting.INITIAL_WINDOW_SIZE: (1 << 31) - 1}
            raw.sendall(PREFACE + settings_frame(grants))
            with RawConnection(server.port, preface=False) as writer:
                block = writer.encoder.encode(call_headers(DESCRIBE))
            with contextlib.suppress(TimeoutError, OSError):
                for stream in range(1, 8000, 2):
                    head = frame(Kind.HEADERS, Flag.END_HEADERS, stream, block)
                    body = frame(Kind.DATA, Flag.END_STREAM, stream, framed(b""))
                    raw.sendall(head + body)
                    # The table of the encoder is the same from the second block on.
                    block = writer.encoder.encode(call_headers(DESCRIBE))


def test_slow_writers_hold_up_nobody(server: ServerProcess, bystander: Bystander) -> None:
    """A call of a byte at a time is served when it is whole; two hundred such writers cost others
    nothing."""
    with RawConnection(server.port, preface=False) as template:
        block = template.encoder.encode(call_headers())
    whole = (
        PREFACE
        + settings_frame({})
        + frame(Kind.HEADERS, Flag.END_HEADERS, 1, block)
        + frame(Kind.DATA, Flag.END_STREAM, 1, framed(page()))
    )
    with contextlib.ExitStack() as stack, bystander.unharmed("slow writers"):
        writers = [
            stack.enter_context(RawConnection(server.port, preface=False)) for _ in range(200)
        ]
        for at in range(0, 60):
            for writer in writers:
                writer.send(whole[at : at + 1])
        for writer in writers:
            writer.send(whole[60:])
        assert {writer.answer(1).status for writer in writers} == {0}
        for writer in writers:
            writer.close()


def test_a_slow_reader_gets_all_of_its_answers(server: ServerProcess, bystander: Bystander) -> None:
    """A client that reads a little at a time gets everything, while others are served."""
    with bystander.unharmed("slow reader"), RawConnection(server.port) as reader:
        streams = [reader.send_call(b"", DESCRIBE) for _ in range(100)]
        for stream in streams:
            time.sleep(0.005)
            assert reader.answer(stream).status == 0


@pytest.mark.parametrize("count", [300])
def test_idle_reflection_streams_cost_no_threads(
    server: ServerProcess, bystander: Bystander, count: int
) -> None:
    """Reflection is a bidirectional stream: one that rests holds a stream of its connection, and
    neither a thread nor anybody else's call."""
    path = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo"
    before = server.threads
    with bystander.unharmed("idle reflection"), RawConnection(server.port) as resting:
        for _ in range(count):
            resting.open_stream(call_headers(path))
        resting.ping()
        time.sleep(0.5)
        assert server.threads <= before + 8, f"{server.threads} threads, {before} before"


def test_connections_that_say_nothing_are_no_burden(
    server: ServerProcess, bystander: Bystander
) -> None:
    """A TCP connection without a preface waits, and leaves no trace when it goes."""
    with contextlib.ExitStack() as stack, bystander.unharmed("silent connections"):
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", server.port)))
            for _ in range(300)
        ]
        time.sleep(0.5)
        for connection in silent:
            connection.close()


def test_many_threads_that_call_and_leave_at_once(
    server: ServerProcess, bystander: Bystander
) -> None:
    """Ordinary bursts: a hundred connections, one call each at the same moment, all closed. A call
    that rests holds no descriptor of a connection that has gone."""

    def caller() -> None:
        with RawConnection(server.port) as opened:
            assert opened.call(page()).status == 0

    with bystander.unharmed("bursts"):
        for _ in range(3):
            threads = [threading.Thread(target=caller) for _ in range(100)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
