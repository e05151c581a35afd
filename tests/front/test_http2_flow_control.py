"""Windows: what a receiver grants, a sender keeps (RFC 9113, 5.2, 6.9)."""

from __future__ import annotations

import struct

import pytest

from tests.front.call_bytes import DESCRIBE, page
from tests.front.frames import (
    ErrorCode,
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

LARGEST = (1 << 31) - 1


def _settled(connection: RawConnection) -> None:
    """Twice, for an answer may leave a moment after the PING's."""
    for _ in range(2):
        connection.ping()
        connection.read_for(0.1)


@pytest.mark.parametrize("settled", [True, False])
def test_a_window_of_0_keeps_data_back_and_headers_not(
    server: ServerProcess, settled: bool
) -> None:
    """6.9: a sender MUST NOT send a flow-controlled frame with a length that exceeds the space
    available; HEADERS are no such frames. 6.9.2: SETTINGS may alter the initial window size."""
    windows = {Setting.INITIAL_WINDOW_SIZE: 0}
    with RawConnection(server.port, windows if settled else {}, grants_window=False) as reader:
        if not settled:
            reader.send(settings_frame(windows))
        stream = reader.send_call(page())
        reader.read_until(lambda: bool(reader.answer_so_far(stream).headers))
        _settled(reader)
        assert reader.answer_so_far(stream).data == b""
        reader.send(window_update(stream, 1000))
        answer = reader.answer(stream)
        assert answer.status == 0 and len(answer.message) > 0


def test_small_windows_are_kept_piecewise(server: ServerProcess) -> None:
    """6.9.1: the space is that of the stream and of the connection: three bytes at a time."""
    with RawConnection(
        server.port, {Setting.INITIAL_WINDOW_SIZE: 3}, grants_window=False
    ) as reader:
        stream = reader.send_call(page())
        granted = 3
        while not reader.answer_so_far(stream).ended:
            reader.read_until(
                lambda wanted=granted: (
                    len(reader.answer_so_far(stream).data) >= wanted
                    or reader.answer_so_far(stream).ended
                )
            )
            reader.ping()
            assert len(reader.answer_so_far(stream).data) <= granted
            reader.send(window_update(stream, 3))
            granted += 3
        answer = reader.answer(stream)
        assert answer.status == 0 and answer.largest_data <= 3 and len(answer.message) > 0


def test_the_window_of_the_connection_is_kept(server: ServerProcess) -> None:
    """6.9.1: the connection's window is 65,535 bytes until its reader grants more; answers beyond
    it wait, and none is lost."""
    with RawConnection(server.port, grants_window=False) as reader:
        size = len(reader.call(b"", DESCRIBE).data)
        streams = [reader.send_call(b"", DESCRIBE) for _ in range(65535 // size + 10)]
        _settled(reader)
        came = size + sum(len(reader.answer_so_far(stream).data) for stream in streams)
        assert came == 65535
        reader.send(window_update(0, 1 << 20))
        assert {reader.answer(stream).status for stream in streams} == {0}


def test_a_change_of_the_initial_window_reaches_open_streams(server: ServerProcess) -> None:
    """6.9.2: when SETTINGS_INITIAL_WINDOW_SIZE changes, a receiver MUST adjust the size of all
    stream flow-control windows that it maintains by the difference."""
    with RawConnection(
        server.port, {Setting.INITIAL_WINDOW_SIZE: 10}, grants_window=False
    ) as reader:
        stream = reader.send_call(page())
        reader.read_until(lambda: len(reader.answer_so_far(stream).data) == 10)
        reader.send(settings_frame({Setting.INITIAL_WINDOW_SIZE: 30}))
        reader.read_until(lambda: len(reader.answer_so_far(stream).data) == 30)
        _settled(reader)
        assert len(reader.answer_so_far(stream).data) == 30


def test_a_window_may_become_negative(server: ServerProcess) -> None:
    """6.9.2: a change to SETTINGS_INITIAL_WINDOW_SIZE can cause the available space to become
    negative. A sender MUST track the negative window and MUST NOT send until it is positive."""
    with RawConnection(
        server.port, {Setting.INITIAL_WINDOW_SIZE: 40}, grants_window=False
    ) as reader:
        stream = reader.send_call(page())
        reader.read_until(lambda: len(reader.answer_so_far(stream).data) == 40)
        reader.send(settings_frame({Setting.INITIAL_WINDOW_SIZE: 10}))  # the space is -30
        reader.send(window_update(stream, 30))  # and 0
        _settled(reader)
        assert len(reader.answer_so_far(stream).data) == 40
        reader.send(window_update(stream, 5))
        reader.read_until(lambda: len(reader.answer_so_far(stream).data) == 45)
        reader.send(window_update(stream, 1000))
        assert reader.answer(stream).status == 0


def test_frames_are_no_larger_than_their_reader_takes(server: ServerProcess) -> None:
    """4.2: the size of a payload is limited by the maximum that a receiver advertises: 2^14 at
    least."""
    with RawConnection(server.port, {Setting.INITIAL_WINDOW_SIZE: 1 << 20}) as reader:
        for stream in [reader.send_call(b"", DESCRIBE) for _ in range(20)]:
            assert reader.answer(stream).largest_data <= 1 << 14


@pytest.mark.parametrize("on_stream", [True, False])
def test_an_increment_of_0_is_an_error(connection: RawConnection, on_stream: bool) -> None:
    """6.9: an increment of 0 is a stream error of type PROTOCOL_ERROR; errors on the connection
    flow-control window MUST be treated as a connection error."""
    stream = connection.open_stream()
    connection.ping()
    connection.send(window_update(stream if on_stream else 0, 0))
    if on_stream:
        connection.assert_stream_error(stream, ErrorCode.PROTOCOL_ERROR)
    else:
        connection.assert_connection_error(ErrorCode.PROTOCOL_ERROR)


@pytest.mark.parametrize("on_stream", [True, False])
def test_a_window_beyond_31_bits_is_an_error(connection: RawConnection, on_stream: bool) -> None:
    """6.9.1: a sender MUST NOT allow a window to exceed 2^31-1; if a WINDOW_UPDATE causes that, the
    stream, or the connection, ends with FLOW_CONTROL_ERROR."""
    stream = connection.open_stream()
    connection.ping()
    connection.send(window_update(stream if on_stream else 0, LARGEST))
    if on_stream:
        connection.assert_stream_error(stream, ErrorCode.FLOW_CONTROL_ERROR)
    else:
        connection.assert_connection_error(ErrorCode.FLOW_CONTROL_ERROR)


def test_settings_that_push_a_window_beyond_31_bits_are_an_error(connection: RawConnection) -> None:
    """6.9.2: a change that causes any window to exceed the maximum size is a connection error of
    type FLOW_CONTROL_ERROR. nghttp2 ends the stream alone by it, which keeps the window as well."""
    stream = connection.open_stream()
    connection.send(window_update(stream, 1 << 20))
    connection.ping()
    connection.send(settings_frame({Setting.INITIAL_WINDOW_SIZE: LARGEST}))
    connection.assert_stream_error(stream, ErrorCode.FLOW_CONTROL_ERROR)


@pytest.mark.parametrize("length", [0, 3, 5])
def test_a_window_update_of_another_length_is_an_error(
    connection: RawConnection, length: int
) -> None:
    """6.9: a WINDOW_UPDATE with a length other than 4 octets is a connection error of type
    FRAME_SIZE_ERROR."""
    connection.ping()
    connection.send(frame(Kind.WINDOW_UPDATE, 0, 0, bytes(length)))
    connection.assert_connection_error(ErrorCode.FRAME_SIZE_ERROR)


def test_the_reserved_bit_of_an_increment_is_ignored(server: ServerProcess) -> None:
    """6.9: Reserved (1), Window Size Increment (31)."""
    with RawConnection(
        server.port, {Setting.INITIAL_WINDOW_SIZE: 0}, grants_window=False
    ) as reader:
        stream = reader.send_call(page())
        increment = struct.pack(">I", 0x80000000 | 1000)
        reader.send(frame(Kind.WINDOW_UPDATE, 0, stream, increment))
        assert reader.answer(stream).status == 0


def test_a_window_update_on_a_closed_stream_is_ignored(connection: RawConnection) -> None:
    """5.1: WINDOW_UPDATE frames can be received in the closed state for a short period; an endpoint
    MUST ignore them."""
    stream = connection.send_call(page())
    connection.answer(stream)
    connection.send(window_update(stream, 1000))
    assert connection.call(page()).status == 0


def test_data_beyond_the_granted_window_is_an_error(connection: RawConnection) -> None:
    """6.9.1: a receiver MAY answer DATA beyond its window with FLOW_CONTROL_ERROR; it does not
    have to keep them. 64 MiB are sent against all windows: they are refused."""
    connection.ping()
    stream = connection.open_stream()
    piece = frame(Kind.DATA, 0, stream, bytes(1 << 14))
    for _ in range(1 << 12):
        connection.send(piece)
        if connection.closed:
            break
    connection.read_until(
        lambda: connection.closed or connection.answer_so_far(stream).over, timeout_s=20
    )


def test_padding_counts_against_the_window_and_is_given_back(connection: RawConnection) -> None:
    """6.9.1: the entire DATA frame payload is included in flow control, padding too. Frames of
    nothing but padding, more than any window, do not use the windows up."""
    connection.ping()
    stream = connection.open_stream()
    for _ in range(4 << 20 >> 8):
        connection.send_data(stream, bytes([255]) + bytes(255), padded=True)
    connection.send_data(stream, framed(page()), end_stream=True)
    assert connection.answer(stream).status == 0


def test_a_reset_stream_gives_the_window_of_its_connection_back(connection: RawConnection) -> None:
    """5.1 and 6.9: DATA of a stream that ends early counts against the connection's window, and its
    receiver grants it again: a hundred halves of messages are reset, and a call is served."""
    for _ in range(100):
        stream = connection.open_stream()
        connection.send_data(stream, b"\0\0\0\xff\xff" + bytes(60000))
        connection.send(rst_stream(stream))
    assert connection.call(page()).status == 0
