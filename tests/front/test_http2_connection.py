"""A connection's beginning, its SETTINGS and PINGs, and its end (RFC 9113, 3.4, 6.5, 6.7 and
6.8)."""

from __future__ import annotations

import socket

import pytest

from tests.front.call_bytes import page
from tests.front.frames import (
    PREFACE,
    ErrorCode,
    Flag,
    Kind,
    Setting,
    frame,
    rst_stream,
    settings_frame,
    window_update,
)
from tests.front.raw_connection import RawConnection
from tests.front.server_process import ServerProcess


def test_the_server_begins_with_settings(server: ServerProcess) -> None:
    """3.4: the server connection preface consists of a potentially empty SETTINGS frame that MUST
    be the first frame the server sends."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=10) as raw:
        raw.sendall(PREFACE + settings_frame({}))
        head = raw.recv(9, socket.MSG_WAITALL)
        assert head[3] == Kind.SETTINGS and not head[4] & Flag.ACK


def test_settings_are_acknowledged_once_each(connection: RawConnection) -> None:
    """6.5.3: the recipient MUST immediately emit a SETTINGS frame with the ACK flag set."""
    connection.send(settings_frame({Setting.HEADER_TABLE_SIZE: 0}) + settings_frame({}))
    connection.ping()
    assert connection.settings_acks == 3


def test_a_call_may_follow_the_preface_at_once(server: ServerProcess) -> None:
    """3.4: clients may send frames after their preface without waiting for the server's."""
    with RawConnection(server.port) as opened:
        assert opened.call(page()).status == 0


def test_the_preface_may_come_in_pieces(server: ServerProcess) -> None:
    """3.4, over a TCP that cuts where it likes."""
    with RawConnection(server.port, preface=False) as slow:
        for byte in PREFACE + settings_frame({}):
            slow.send(bytes([byte]))
        assert slow.call(page()).status == 0


@pytest.mark.parametrize(
    "content",
    [
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + settings_frame({}),
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
        bytes(64),
    ],
    ids=["HTTP/1.1", "almost the preface", "TLS", "zeros"],
)
def test_what_is_no_preface_ends_the_connection(server: ServerProcess, content: bytes) -> None:
    """3.4: an invalid connection preface is a connection error of type PROTOCOL_ERROR; a GOAWAY MAY
    be omitted, since it indicates that the peer is not using HTTP/2."""
    with RawConnection(server.port, preface=False) as other:
        other.socket.sendall(content)
        other.socket.settimeout(10)
        try:
            while other.socket.recv(1 << 16):
                pass
        except ConnectionResetError:
            pass


def test_the_first_frame_must_be_settings(server: ServerProcess) -> None:
    """3.4: the client preface ends with a SETTINGS frame; else PROTOCOL_ERROR."""
    with RawConnection(server.port, preface=False) as other:
        other.send(PREFACE + frame(Kind.PING, 0, 0, bytes(8)))
        other.assert_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_unknown_settings_are_ignored(connection: RawConnection) -> None:
    """6.5.2: an endpoint that receives a SETTINGS frame with any unknown or unsupported identifier
    MUST ignore that setting."""
    connection.send(settings_frame({0xF0F0: 1, 0x0: 7, 0xFFFF: 0xFFFFFFFF}))
    assert connection.call(page()).status == 0
    assert connection.settings_acks == 2


@pytest.mark.parametrize(
    ("setting", "value", "code"),
    [
        (Setting.ENABLE_PUSH, 2, ErrorCode.PROTOCOL_ERROR),
        (Setting.INITIAL_WINDOW_SIZE, 1 << 31, ErrorCode.FLOW_CONTROL_ERROR),
        (Setting.MAX_FRAME_SIZE, (1 << 14) - 1, ErrorCode.PROTOCOL_ERROR),
        (Setting.MAX_FRAME_SIZE, 1 << 24, ErrorCode.PROTOCOL_ERROR),
    ],
)
def test_values_of_settings_out_of_their_range_are_errors(
    connection: RawConnection, setting: int, value: int, code: int
) -> None:
    """6.5.2: the ranges of SETTINGS and the connection errors beyond them."""
    connection.send(settings_frame({setting: value}))
    connection.assert_connection_error(code)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (frame(Kind.SETTINGS, Flag.ACK, 0, bytes(6)), ErrorCode.FRAME_SIZE_ERROR),
        (frame(Kind.SETTINGS, 0, 0, bytes(5)), ErrorCode.FRAME_SIZE_ERROR),
        (frame(Kind.SETTINGS, 0, 1, b""), ErrorCode.PROTOCOL_ERROR),
        (frame(Kind.PING, 0, 0, bytes(7)), ErrorCode.FRAME_SIZE_ERROR),
        (frame(Kind.PING, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (frame(Kind.GOAWAY, 0, 1, bytes(8)), ErrorCode.PROTOCOL_ERROR),
        (frame(Kind.GOAWAY, 0, 0, bytes(7)), ErrorCode.FRAME_SIZE_ERROR),
        (frame(Kind.PUSH_PROMISE, Flag.END_HEADERS, 1, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (frame(Kind.DATA, 0, 0, b"x"), ErrorCode.PROTOCOL_ERROR),
        (frame(Kind.HEADERS, Flag.END_HEADERS, 0, b"\x83"), ErrorCode.PROTOCOL_ERROR),
        (frame(Kind.RST_STREAM, 0, 0, bytes(4)), ErrorCode.PROTOCOL_ERROR),
        (frame(Kind.CONTINUATION, Flag.END_HEADERS, 1, b"\x83"), ErrorCode.PROTOCOL_ERROR),
    ],
    ids=[
        "SETTINGS ack with a payload",
        "SETTINGS of 5 bytes",
        "SETTINGS of a stream",
        "PING of 7 bytes",
        "PING of a stream",
        "GOAWAY of a stream",
        "GOAWAY of 7 bytes",
        "PUSH_PROMISE of a client",
        "DATA of stream 0",
        "HEADERS of stream 0",
        "RST_STREAM of stream 0",
        "CONTINUATION of nothing",
    ],
)
def test_frames_out_of_form_end_the_connection(
    connection: RawConnection, content: bytes, code: int
) -> None:
    """6.1 to 6.10: each frame's size and stream, and the connection error otherwise."""
    connection.ping()
    connection.send(content)
    connection.assert_connection_error(code)


@pytest.mark.parametrize("kind", [0x0A, 0x42, 0xFF])
@pytest.mark.parametrize("stream", [0, 1, 99])
def test_unknown_frames_are_ignored(connection: RawConnection, kind: int, stream: int) -> None:
    """4.1 and 5.5: implementations MUST ignore and discard frames of unknown types."""
    connection.send(frame(kind, 0xFF, stream, b"whatever it says"))
    assert connection.call(page()).status == 0


def test_unknown_flags_and_the_reserved_bit_are_ignored(connection: RawConnection) -> None:
    """4.1: unused flags MUST be ignored on receipt, and so the reserved bit of a stream
    identifier."""
    connection.send(frame(Kind.PING, 0xFE, 0x80000000, b"12345678"))
    connection.read_until(lambda: bool(connection.pongs))
    assert connection.pongs == [b"12345678"]


def test_a_frame_above_the_announced_size_is_an_error(connection: RawConnection) -> None:
    """4.2: an endpoint MUST send FRAME_SIZE_ERROR if a frame exceeds SETTINGS_MAX_FRAME_SIZE; for
    one that carries a header block it is a connection error."""
    connection.ping()
    largest = connection.settings.get(Setting.MAX_FRAME_SIZE, 1 << 14)
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS, 1, bytes(largest + 1)))
    connection.assert_connection_error(ErrorCode.FRAME_SIZE_ERROR)


def test_data_above_the_announced_size_is_an_error(connection: RawConnection) -> None:
    """4.2, for DATA: an error of the stream or of the connection."""
    connection.ping()
    stream = connection.open_stream()
    largest = connection.settings.get(Setting.MAX_FRAME_SIZE, 1 << 14)
    connection.send(frame(Kind.DATA, 0, stream, bytes(largest + 1)))
    connection.assert_stream_error(stream, ErrorCode.FRAME_SIZE_ERROR)


def test_pings_are_answered_with_their_payload(connection: RawConnection) -> None:
    """6.7: receivers of a PING without ACK MUST send one with ACK and an identical payload."""
    for payload in (b"12345678", bytes(8), b"\xff" * 8):
        connection.ping(payload)
    assert connection.pongs == [b"12345678", bytes(8), b"\xff" * 8]


def test_an_unasked_ping_ack_is_ignored(connection: RawConnection) -> None:
    """6.7: a PING with ACK MUST NOT be answered."""
    connection.send(frame(Kind.PING, Flag.ACK, 0, b"unasked!"))
    connection.ping(b"the next")
    assert connection.pongs == [b"the next"]


def test_calls_that_came_before_a_goaway_of_the_client_are_answered(
    connection: RawConnection,
) -> None:
    """6.8: GOAWAY lets an endpoint gracefully stop while it finishes streams that are open."""
    stream = connection.send_call(page())
    connection.send(frame(Kind.GOAWAY, 0, 0, bytes(8)))
    assert connection.answer(stream).status == 0


def test_a_goaway_with_a_reason_is_no_error_of_others(server: ServerProcess) -> None:
    """6.8: Additional Debug Data of any content; and the connection's descriptor returns."""
    before = server.descriptors
    with RawConnection(server.port) as leaving:
        code = bytes([0, 0, 0, ErrorCode.ENHANCE_YOUR_CALM])
        leaving.send(frame(Kind.GOAWAY, 0, 0, bytes(4) + code + b"\xff\x00" * 100))
    server.await_descriptors(before)


def test_a_caller_that_half_closes_gets_its_answer(server: ServerProcess) -> None:
    """A TCP that is half closed still carries the answer; or the server hangs up, which TCP allows.
    Its descriptor returns either way."""
    before = server.descriptors
    with RawConnection(server.port) as half_open:
        half_open.send_call(page())
        half_open.socket.shutdown(socket.SHUT_WR)
        half_open.read_until_closed()
    server.await_descriptors(before)


def test_frames_cut_in_the_middle_leave_nothing(server: ServerProcess) -> None:
    """A connection that ends within a frame is gone, with its descriptor."""
    before = server.descriptors
    whole = PREFACE + settings_frame({}) + window_update(0, 1) + rst_stream(1)
    for length in range(1, len(whole), 3):
        with RawConnection(server.port, preface=False) as cut:
            cut.send(whole[:length])
    server.await_descriptors(before)
