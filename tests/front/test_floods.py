"""Clients that send what costs them nothing: the server bounds what it costs (RFC 9113, 10.5).

GERANK_FRONT_FLOOD_S says how many seconds each flood lasts, half a one by default.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator

import pytest

from tests.front.bystander import Bystander
from tests.front.call_bytes import call_headers, page
from tests.front.frames import (
    Flag,
    Kind,
    Setting,
    frame,
    framed,
    rst_stream,
    settings_frame,
    window_update,
)
from tests.front.raw_connection import RawConnection
from tests.front.server_process import ServerProcess

SECONDS = float(os.environ.get("GERANK_FRONT_FLOOD_S", "0.5"))

Flood = Callable[[RawConnection], Iterator[bytes]]


def _length(value: int) -> bytes:
    """An integer of HPACK behind a prefix of 7 bits (RFC 7541, 5.1)."""
    if value < 127:
        return bytes([value])
    coded, value = b"\x7f", value - 127
    while value > 127:
        coded += bytes([value & 127 | 128])
        value >>= 7
    return coded + bytes([value])


def _continued(first: bytes, more: bytes) -> Iterator[bytes]:
    yield frame(Kind.HEADERS, 0, 1, first)
    while True:
        yield frame(Kind.CONTINUATION, 0, 1, more)


def _one_huge_header(connection: RawConnection) -> Iterator[bytes]:
    return _continued(b"\x00\x01a" + _length(64 << 20), b"x" * 16000)


def _endless_small_headers(connection: RawConnection) -> Iterator[bytes]:
    return _continued(b"", b"\x00\x01a\x01b" * 3200)


def _empty_continuations(connection: RawConnection) -> Iterator[bytes]:
    return _continued(b"\x83", b"")


def _hpack_bomb(connection: RawConnection) -> Iterator[bytes]:
    """One entry of 4,000 bytes in the table, and references of one byte to it."""
    return _continued(b"\x40\x01a" + _length(4000) + b"v" * 4000, b"\xbe" * 16000)


def _hpack_bombs_in_many_calls(connection: RawConnection) -> Iterator[bytes]:
    yield frame(Kind.HEADERS, Flag.END_HEADERS, 1, b"\x40\x01a" + _length(3900) + b"v" * 3900)
    for stream in range(3, 1 << 30, 2):
        yield frame(Kind.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, stream, b"\xbe" * 16000)


def _rapid_reset(connection: RawConnection) -> Iterator[bytes]:
    for stream in range(1, 1 << 30, 2):
        block = connection.encoder.encode(call_headers())
        yield frame(Kind.HEADERS, Flag.END_HEADERS, stream, block) + rst_stream(stream)


def _rapid_reset_of_whole_calls(connection: RawConnection) -> Iterator[bytes]:
    for stream in range(1, 1 << 30, 2):
        block = connection.encoder.encode(call_headers())
        head = frame(Kind.HEADERS, Flag.END_HEADERS, stream, block)
        yield head + frame(Kind.DATA, Flag.END_STREAM, stream, framed(page())) + rst_stream(stream)


def _settings(connection: RawConnection) -> Iterator[bytes]:
    while True:
        yield settings_frame({Setting.INITIAL_WINDOW_SIZE: 1 << 16}) * 100


def _many_settings(connection: RawConnection) -> Iterator[bytes]:
    pair = bytes([0, Setting.INITIAL_WINDOW_SIZE, 0, 1, 0, 0])
    while True:
        yield frame(Kind.SETTINGS, 0, 0, pair * 2700)


def _pings(connection: RawConnection) -> Iterator[bytes]:
    while True:
        yield frame(Kind.PING, 0, 0, b"12345678") * 100


def _empty_data(connection: RawConnection) -> Iterator[bytes]:
    stream = connection.open_stream()
    while True:
        yield frame(Kind.DATA, 0, stream) * 100


def _padding_alone(connection: RawConnection) -> Iterator[bytes]:
    stream = connection.open_stream()
    for _ in range(100):  # more would be against the window
        yield frame(Kind.DATA, Flag.PADDED, stream, bytes([255]) + bytes(255))


def _priorities(connection: RawConnection) -> Iterator[bytes]:
    for start in range(1, 1 << 30, 200):
        numbers = range(start, start + 200, 2)
        yield b"".join(frame(Kind.PRIORITY, 0, n, b"\0\0\0\0\x10") for n in numbers)


def _window_updates(connection: RawConnection) -> Iterator[bytes]:
    while True:
        yield window_update(0, 1) * 100


def _unknown_frames(connection: RawConnection) -> Iterator[bytes]:
    while True:
        yield frame(0x42, 0, 0, b"") * 100


def _refused_calls(connection: RawConnection) -> Iterator[bytes]:
    """Calls that the server answers with errors of their stream."""
    for stream in range(1, 1 << 30, 2):
        block = connection.encoder.encode(call_headers(without=":path"))
        yield frame(Kind.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, stream, block)


FLOODS: dict[str, Flood] = {
    "one header of 64 MiB": _one_huge_header,
    "headers without end": _endless_small_headers,
    "empty CONTINUATION": _empty_continuations,
    "HPACK bomb": _hpack_bomb,
    "HPACK bombs in many calls": _hpack_bombs_in_many_calls,
    "rapid reset": _rapid_reset,
    "rapid reset of whole calls": _rapid_reset_of_whole_calls,
    "SETTINGS": _settings,
    "SETTINGS of 2,700 entries": _many_settings,
    "PING": _pings,
    "empty DATA": _empty_data,
    "padding alone": _padding_alone,
    "PRIORITY": _priorities,
    "WINDOW_UPDATE": _window_updates,
    "unknown frames": _unknown_frames,
    "malformed calls": _refused_calls,
}


def _flood(server: ServerProcess, flood: Flood, end: float) -> None:
    """One connection that sends until the end, or until the server has had enough of it."""
    with RawConnection(server.port) as attacker:
        for content in flood(attacker):
            if time.monotonic() > end or attacker.closed:
                return
            try:
                attacker.send(content, timeout_s=SECONDS)
            except TimeoutError:  # the server reads no more: its own kind of bound
                return


@pytest.mark.parametrize("what", FLOODS)
def test_a_flood_harms_nobody_else(server: ServerProcess, bystander: Bystander, what: str) -> None:
    """10.5: an endpoint that does not monitor such behaviour exposes itself to a risk of denial of
    service; it MAY treat suspicious activity as a connection error of type ENHANCE_YOUR_CALM.
    10.5.1: a large header block can commit a large amount of state. The client reads nothing, and
    comes again when the server has hung up."""
    with bystander.unharmed(what):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            _flood(server, FLOODS[what], end)
            time.sleep(0.01)


def test_floods_that_read_their_answers_harm_nobody_else(
    server: ServerProcess, bystander: Bystander
) -> None:
    """10.5, for PINGs whose answers are read: the flood does not stop by itself."""
    with bystander.unharmed("PING, answers read"):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            with RawConnection(server.port) as attacker:
                while time.monotonic() < end and not attacker.closed:
                    attacker.send(frame(Kind.PING, 0, 0, b"12345678") * 1000)
                    attacker.read_for(0.001)
            time.sleep(0.01)
