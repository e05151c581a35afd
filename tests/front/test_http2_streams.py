"""Streams: their numbers, their states and how many may be open (RFC 9113, 5.1)."""

from __future__ import annotations

import struct

import pytest

from tests.front.call_bytes import page
from tests.front.frames import (
    ErrorCode,
    Flag,
    Kind,
    Setting,
    frame,
    framed,
    rst_stream,
    window_update,
)
from tests.front.raw_connection import RawConnection
from tests.server.stand_in import StandIn

MOST_CALLS = 5
SERVER_OPTIONS = ("--max-calls-per-connection", MOST_CALLS)


def test_an_even_stream_is_an_error(connection: RawConnection) -> None:
    """5.1.1: streams initiated by a client MUST use odd-numbered stream identifiers; else a
    connection error of type PROTOCOL_ERROR."""
    connection.open_stream(stream=2)
    connection.assert_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_a_lower_new_stream_is_no_call(connection: RawConnection) -> None:
    """5.1.1: the identifier of a new stream MUST be numerically greater than all before; opening a
    higher one closes the idle ones below. A connection error of type PROTOCOL_ERROR; nghttp2
    ignores such a stream instead, for it may be one that it has closed itself."""
    connection.answer(connection.open_stream(stream=9, end_stream=True))
    connection.open_stream(stream=7)
    connection.send(frame(Kind.DATA, Flag.END_STREAM, 7, framed(page())))
    connection.read_for(0.3)
    assert connection.answer_so_far(7).headers == []
    if connection.closed:
        connection.assert_connection_error(ErrorCode.PROTOCOL_ERROR, ErrorCode.STREAM_CLOSED)
    else:
        assert connection.call(page()).status == 0


def test_streams_may_be_skipped(connection: RawConnection) -> None:
    """5.1.1: identifiers need not be consecutive."""
    for stream in (11, 101, (1 << 31) - 1):
        connection.open_stream(stream=stream)
        connection.send_data(stream, framed(page()), end_stream=True)
        assert connection.answer(stream).status == 0


@pytest.mark.parametrize(
    "content",
    [
        frame(Kind.DATA, 0, 5, b"x"),
        rst_stream(5),
        window_update(5, 1),
    ],
    ids=["DATA", "RST_STREAM", "WINDOW_UPDATE"],
)
def test_frames_on_an_idle_stream_are_errors(connection: RawConnection, content: bytes) -> None:
    """5.1, idle: receiving any frame other than HEADERS or PRIORITY MUST be treated as a connection
    error of type PROTOCOL_ERROR."""
    connection.ping()
    connection.send(content)
    connection.assert_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_data_after_the_end_of_a_stream_is_an_error(
    connection: RawConnection, model: StandIn
) -> None:
    """5.1, half-closed (remote): frames other than WINDOW_UPDATE, PRIORITY or RST_STREAM MUST be
    answered with a stream error of type STREAM_CLOSED. The model is held, so the stream is open."""
    model.hold()
    stream = connection.send_call(page())
    connection.ping()
    connection.send(frame(Kind.DATA, 0, stream, b"more"))
    connection.assert_stream_error(stream, ErrorCode.STREAM_CLOSED)
    model.release()


def test_headers_after_the_end_of_a_stream_are_an_error(
    connection: RawConnection, model: StandIn
) -> None:
    """5.1, half-closed (remote): the same for HEADERS."""
    model.hold()
    stream = connection.send_call(page())
    connection.ping()
    connection.open_stream(stream=stream)
    connection.assert_stream_error(stream, ErrorCode.STREAM_CLOSED)
    model.release()


def test_data_on_an_answered_stream_harms_no_other_call(connection: RawConnection) -> None:
    """5.1, closed: a receiver may treat DATA there as STREAM_CLOSED of the stream or the
    connection, or ignore it; other streams' answers are whole."""
    stream = connection.send_call(page())
    connection.answer(stream)
    connection.send(frame(Kind.DATA, 0, stream, b"more"))
    connection.read_for(0.3)
    if connection.closed:
        assert connection.goaway is not None and connection.goaway[1] == ErrorCode.STREAM_CLOSED
    else:
        assert connection.call(page()).status == 0


def test_a_reset_of_a_closed_stream_is_ignored(connection: RawConnection) -> None:
    """5.1, closed: RST_STREAM can be received for a short period after END_STREAM; an endpoint MUST
    ignore it."""
    stream = connection.send_call(page())
    connection.answer(stream)
    connection.send(rst_stream(stream))
    assert connection.call(page()).status == 0


@pytest.mark.parametrize("length", [0, 3, 5])
def test_a_reset_of_another_length_is_an_error(connection: RawConnection, length: int) -> None:
    """6.4: a RST_STREAM with a length other than 4 octets is a connection error of type
    FRAME_SIZE_ERROR."""
    stream = connection.open_stream()
    connection.send(frame(Kind.RST_STREAM, 0, stream, bytes(length)))
    connection.assert_connection_error(ErrorCode.FRAME_SIZE_ERROR)


@pytest.mark.parametrize("stream", [1, 2, 77])
def test_priorities_are_ignored(connection: RawConnection, stream: int) -> None:
    """5.3.2 and 6.3: PRIORITY is deprecated, may come on any stream and state, and changes
    nothing."""
    connection.send(frame(Kind.PRIORITY, 0, stream, struct.pack(">IB", 0, 15)))
    assert connection.call(page()).status == 0
    connection.send(frame(Kind.PRIORITY, 0, 1, struct.pack(">IB", 3, 15)))
    assert connection.call(page()).status == 0


def test_priorities_within_headers_are_ignored(connection: RawConnection) -> None:
    """6.2: the fields of priority in HEADERS are skipped, and the block is read."""
    from_headers = struct.pack(">IB", 0x80000000, 200) + connection.call_block()
    flags = Flag.END_HEADERS | Flag.PRIORITY
    connection.send(frame(Kind.HEADERS, flags, 1, from_headers))
    connection.send_data(1, framed(page()), end_stream=True)
    assert connection.answer(1).status == 0


def test_padding_within_headers_is_skipped(connection: RawConnection) -> None:
    """6.2: padding of HEADERS is no part of the block."""
    padded = bytes([9]) + connection.call_block() + bytes(9)
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS | Flag.PADDED, 1, padded))
    connection.send_data(1, framed(page()), end_stream=True)
    assert connection.answer(1).status == 0


def test_padding_longer_than_its_frame_is_an_error(connection: RawConnection) -> None:
    """6.1 and 6.2: padding that reaches beyond its frame is a connection error of type
    PROTOCOL_ERROR."""
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS | Flag.PADDED, 1, bytes([200]) + b"\x83"))
    connection.assert_connection_error(ErrorCode.PROTOCOL_ERROR)


def test_more_calls_than_announced_are_refused(connection: RawConnection, model: StandIn) -> None:
    """5.1.2: an endpoint that receives HEADERS that exceed its limit of concurrent streams MUST
    treat this as a stream error of type PROTOCOL_ERROR or REFUSED_STREAM. The latter says that the
    call may be tried again: it is due to a client that has not heard of the limit yet."""
    model.hold()
    taken = [connection.send_call(page()) for _ in range(MOST_CALLS)]  # and nothing was read
    refused = connection.send_call(page())
    assert connection.answer(refused).reset == ErrorCode.REFUSED_STREAM
    assert connection.settings[Setting.MAX_CONCURRENT_STREAMS] == MOST_CALLS
    model.release()
    assert {connection.answer(stream).status for stream in taken} == {0}
    assert connection.call(page()).status == 0


def test_a_client_that_breaks_the_announced_limit_is_refused(
    connection: RawConnection, model: StandIn
) -> None:
    """5.1.2: the same for a client that has acknowledged the limit: a stream error, or the
    connection error that it may be treated as (5.4.2)."""
    connection.ping()
    model.hold()
    for _ in range(MOST_CALLS):
        connection.send_call(page())
    refused = connection.send_call(page())
    connection.assert_stream_error(refused, ErrorCode.PROTOCOL_ERROR, ErrorCode.REFUSED_STREAM)
    model.release()


def test_a_stream_cannot_depend_on_the_server_pushing(connection: RawConnection) -> None:
    """8.4: the server pushes nothing: no stream of an even number ever comes."""
    connection.call(page())
    assert all(stream % 2 for stream in connection.answers)
