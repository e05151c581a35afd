"""Header blocks: how they are split, compressed and formed (RFC 9113, 4.3, 6.10, 8; RFC 7541)."""

from __future__ import annotations

import pytest

from tests.front.call_bytes import RERANK, call_headers, page
from tests.front.frames import (
    ErrorCode,
    Flag,
    Kind,
    Setting,
    frame,
    framed,
    settings_frame,
    window_update,
)
from tests.front.raw_connection import RawConnection

Headers = list[tuple[str, str]]
ORDINARY = call_headers()


def _literal(name: bytes, value: bytes) -> bytes:
    """A header written out, its name as it is: also one that an encoder would not write."""
    return b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value


def _block(headers: Headers) -> bytes:
    return b"".join(_literal(name.encode(), value.encode()) for name, value in headers)


def _call_with(connection: RawConnection, headers: Headers) -> int:
    stream = 1
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS, stream, _block(headers)))
    connection.send(frame(Kind.DATA, Flag.END_STREAM, stream, framed(page())))
    return stream


@pytest.mark.parametrize("size", [7, 20, 50])
def test_a_block_may_be_split_anywhere(connection: RawConnection, size: int) -> None:
    """4.3: a field block is HEADERS and any number of CONTINUATION frames, split at any octet."""
    connection.send_block(1, connection.call_block(), end_stream=False, piece_size=size)
    connection.send_data(1, framed(page()), end_stream=True)
    assert connection.answer(1).status == 0


def test_a_block_of_single_bytes_is_read_or_too_much(connection: RawConnection) -> None:
    """10.5: a server may bound CONTINUATION frames; what is too much is ENHANCE_YOUR_CALM."""
    connection.send_block(1, connection.call_block(), end_stream=False, piece_size=1)
    connection.send_data(1, framed(page()), end_stream=True)
    connection.read_until(lambda: connection.closed or connection.answer_so_far(1).over)
    if connection.closed:
        connection.assert_connection_error(ErrorCode.ENHANCE_YOUR_CALM)
    else:
        assert connection.answer(1).status == 0


@pytest.mark.parametrize(
    "between",
    [
        frame(Kind.PING, 0, 0, bytes(8)),
        settings_frame({}),
        window_update(0, 1),
        frame(Kind.DATA, 0, 1, b"x"),
        frame(Kind.CONTINUATION, Flag.END_HEADERS, 3, b"\x83"),
        frame(Kind.HEADERS, Flag.END_HEADERS, 3, b"\x83"),
        frame(0x42, 0, 1, b"unknown"),
    ],
    ids=["PING", "SETTINGS", "WINDOW_UPDATE", "DATA", "other CONTINUATION", "HEADERS", "unknown"],
)
def test_nothing_may_come_between_the_parts_of_a_block(
    connection: RawConnection, between: bytes
) -> None:
    """4.3 and 6.10: field blocks MUST be transmitted as a contiguous sequence of frames with no
    interleaved frames of any other type or from any other stream: PROTOCOL_ERROR."""
    block = connection.call_block()
    connection.send(frame(Kind.HEADERS, 0, 1, block[:10]) + between)
    connection.send(frame(Kind.CONTINUATION, Flag.END_HEADERS, 1, block[10:]))
    connection.assert_connection_error(ErrorCode.PROTOCOL_ERROR)


@pytest.mark.parametrize(
    "block",
    [
        b"\x80",  # index 0
        b"\xff\x80\x80\x80\x01",  # an index of no entry
        b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff",  # an integer without end
        b"\x00\x85\xff\xff\xff\xff\xff\x01a",  # Huffman: EOS within
        b"\x00\x01a\x7f\xff\xff\xff\xff\x07",  # a value longer than its block
        b"\x3f\xe1\xff\xff\x03",  # a table larger than was allowed
        b"\x83\x20",  # a change of the table's size that is not first
    ],
    ids=["index 0", "no entry", "endless", "Huffman", "too long", "large table", "late size"],
)
def test_a_block_that_cannot_be_read_is_a_compression_error(
    connection: RawConnection, block: bytes
) -> None:
    """4.3: a decoding error in a field block MUST be treated as a connection error of type
    COMPRESSION_ERROR."""
    connection.ping()
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 1, block))
    connection.assert_connection_error(ErrorCode.COMPRESSION_ERROR)


def test_blocks_of_refused_calls_still_change_the_table(connection: RawConnection) -> None:
    """4.3: a receiver MUST read every field block, for the state of compression is shared: what a
    call of an unknown method put into the table serves the next call."""
    block = connection.encoder.encode(call_headers("/un.Known/Method", ("x-shared", "value" * 20)))
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, 1, block))
    connection.answer(1)
    shared = connection.encoder.encode(call_headers(RERANK, ("x-shared", "value" * 20)))
    assert len(shared) < 80, "the table was not used: nothing is tested"
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS, 3, shared))
    connection.send_data(3, framed(page()), end_stream=True)
    assert connection.answer(3).status == 0


def test_a_smaller_table_of_the_client_is_kept(connection: RawConnection) -> None:
    """RFC 7541, 4.2: after SETTINGS_HEADER_TABLE_SIZE the encoder stays within it; the answers can
    still be read by a decoder that holds it to that."""
    connection.send(settings_frame({Setting.HEADER_TABLE_SIZE: 0}))
    connection.ping()
    connection.limit_table(0)
    for _ in range(3):
        assert connection.call(page()).status == 0


def _malformed() -> dict[str, Headers]:
    def changed(name: str, value: str) -> Headers:
        return [(key, value if key == name else old) for key, old in ORDINARY]

    regular_first = [*ORDINARY[4:], *ORDINARY[:4]]
    return {
        "upper case": [*ORDINARY, ("X-Upper", "1")],
        "no :path": call_headers(without=":path"),
        "empty :path": changed(":path", ""),
        "no :method": call_headers(without=":method"),
        "no :scheme": call_headers(without=":scheme"),
        "two :path": [(":path", RERANK), *ORDINARY],
        "two :method": [(":method", "POST"), *ORDINARY],
        ":status of a client": [(":status", "200"), *ORDINARY],
        "unknown pseudo-header": [(":unheard", "1"), *ORDINARY],
        "pseudo-header behind": regular_first,
        "connection": [*ORDINARY, ("connection", "close")],
        "keep-alive": [*ORDINARY, ("keep-alive", "1")],
        "proxy-connection": [*ORDINARY, ("proxy-connection", "1")],
        "transfer-encoding": [*ORDINARY, ("transfer-encoding", "chunked")],
        "upgrade": [*ORDINARY, ("upgrade", "h2c")],
    }


@pytest.mark.parametrize("what", _malformed())
def test_a_malformed_request_is_an_error_of_its_stream(
    connection: RawConnection, what: str
) -> None:
    """8.1.1: malformed requests MUST be treated as a stream error of type PROTOCOL_ERROR. 8.2:
    names are lower case, and no field is connection-specific. 8.3: pseudo-header fields come
    first, once each, and :method, :scheme and :path of exactly one valid value."""
    connection.assert_malformed(_call_with(connection, _malformed()[what]))


@pytest.mark.parametrize("length", [0, 1, 10_000_000])
def test_a_content_length_that_is_not_that_of_the_data_is_malformed(
    connection: RawConnection, length: int
) -> None:
    """8.1.1: a request is malformed if the value of content-length does not equal the sum of the
    DATA frame payload lengths."""
    headers = [*ORDINARY, ("content-length", str(length))]
    connection.assert_malformed(_call_with(connection, headers))


def test_the_right_content_length_is_taken(connection: RawConnection) -> None:
    """8.1.1: and one that equals it is well-formed."""
    headers = [*ORDINARY, ("content-length", str(len(framed(page()))))]
    assert connection.answer(_call_with(connection, headers)).status == 0


@pytest.mark.parametrize("name", ["bad name", "bad\x00name", "bad:name", "bad\x7fname"])
def test_characters_that_no_name_has_harm_their_own_call_alone(
    connection: RawConnection, name: str
) -> None:
    """8.2.1: a field name MUST NOT contain characters in the ranges 0x00-0x20, 0x41-0x5a or
    0x7f-0xff, nor a colon but as its first; such a message is malformed. The call ends, and the
    next one is served, on this connection or a new one."""
    stream = _call_with(connection, [*ORDINARY, (name, "1")])
    connection.read_until(lambda: connection.closed or connection.answer_so_far(stream).over)


@pytest.mark.parametrize("value", ["a\x00b", "a\rb", "a\nb", " a", "a "])
def test_characters_that_no_value_has_harm_their_own_call_alone(
    connection: RawConnection, value: str
) -> None:
    """8.2.1: a field value MUST NOT contain NUL, LF or CR, nor begin or end with a space."""
    stream = _call_with(connection, [*ORDINARY, ("x-value", value)])
    connection.read_until(lambda: connection.closed or connection.answer_so_far(stream).over)


def test_an_authority_is_not_needed(connection: RawConnection) -> None:
    """8.3.1: :authority may be absent; `host` may stand for it."""
    headers = [*call_headers(without=":authority"), ("host", "localhost")]
    assert connection.answer(_call_with(connection, headers)).status == 0


def test_connect_is_no_call(connection: RawConnection) -> None:
    """8.5: CONNECT has neither :scheme nor :path; the server is no proxy and refuses it."""
    headers = [(":method", "CONNECT"), (":authority", "localhost:80")]
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS, 1, _block(headers)))
    connection.read_until(lambda: connection.closed or connection.answer_so_far(1).over)
    assert connection.answer_so_far(1).http_status // 100 != 2 or connection.answer_so_far(1).status
