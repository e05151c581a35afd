"""Messages: Length-Prefixed-Message -> Compressed-Flag Message-Length Message."""

from __future__ import annotations

import gzip
import struct
import zlib

import pytest

from tests.front.call_bytes import RERANK, call_headers, large_page, page, slate_of
from tests.front.frames import ErrorCode, Flag, Kind, frame, framed
from tests.front.raw_connection import RawConnection
from tests.front.server_process import ServerProcess

LIMIT = 1 << 18
SERVER_OPTIONS = ("--max-message-bytes", LIMIT)
OK, INVALID_ARGUMENT, RESOURCE_EXHAUSTED, UNIMPLEMENTED, INTERNAL = 0, 3, 8, 12, 13


def _encoded(encoding: str) -> list[tuple[str, str]]:
    return call_headers(RERANK, ("grpc-encoding", encoding))


def test_a_message_may_come_byte_by_byte(connection: RawConnection) -> None:
    """DATA frame boundaries have no relation to Length-Prefixed-Message boundaries and
    implementations should make no assumptions about their alignment."""
    stream = connection.open_stream()
    for byte in framed(page()):
        connection.send_data(stream, bytes([byte]))
    connection.send_data(stream, b"", end_stream=True)
    assert connection.answer(stream).status == OK


@pytest.mark.parametrize("cut", [1, 4, 5, 6])
def test_a_message_may_be_cut_within_its_prefix(connection: RawConnection, cut: int) -> None:
    """The same rule, at every edge of the prefix."""
    stream, content = connection.open_stream(), framed(page())
    connection.send_data(stream, content[:cut])
    connection.ping()
    connection.send_data(stream, content[cut:], end_stream=True)
    assert connection.answer(stream).status == OK


def test_padding_is_no_part_of_a_message(connection: RawConnection) -> None:
    """The same rule with padded DATA (RFC 9113, 6.1)."""
    stream, content = connection.open_stream(), framed(page())
    padded = bytes([7]) + content + bytes(7)
    connection.send(frame(Kind.DATA, Flag.PADDED | Flag.END_STREAM, stream, padded))
    assert connection.answer(stream).status == OK


def test_frames_of_several_calls_may_alternate(connection: RawConnection) -> None:
    """DATA of many calls shares a connection: each message is put together by itself."""
    content = framed(page())
    streams = [connection.open_stream() for _ in range(20)]
    for start in range(0, len(content), 50):
        for stream in streams:
            connection.send_data(stream, content[start : start + 50])
    for stream in streams:
        connection.send_data(stream, b"", end_stream=True)
    assert [connection.answer(stream).status for stream in streams] == [OK] * 20


@pytest.mark.parametrize(
    "headers", [call_headers(), _encoded("identity")], ids=["none", "identity"]
)
def test_a_compressed_flag_without_a_compression_is_internal(
    connection: RawConnection, headers: list[tuple[str, str]]
) -> None:
    """If the Compressed-Flag is set and no grpc-encoding (or identity) is given: INTERNAL."""
    stream = connection.open_stream(headers)
    connection.send_data(stream, framed(page(), compressed=1), end_stream=True)
    assert connection.answer(stream).status == INTERNAL


@pytest.mark.parametrize("flag", [2, 3, 128, 255])
def test_other_compressed_flags_are_refused(connection: RawConnection, flag: int) -> None:
    """Compressed-Flag -> 0 / 1 ; encoded as 1 byte unsigned integer."""
    stream = connection.open_stream()
    connection.send_data(stream, framed(page(), compressed=flag), end_stream=True)
    answer = connection.answer(stream)
    assert answer.status not in (None, OK), answer


def test_a_gzip_message_is_inflated(connection: RawConnection) -> None:
    """Message-Encoding -> "grpc-encoding" Content-Coding; Content-Coding -> "identity" / "gzip"."""
    stream = connection.open_stream(_encoded("gzip"))
    connection.send_data(stream, framed(gzip.compress(page()), compressed=1), end_stream=True)
    answer = connection.answer(stream)
    assert answer.status == OK and slate_of(answer.message).id == "page"


def test_a_message_under_gzip_may_come_uncompressed(connection: RawConnection) -> None:
    """A Compressed-Flag of 0 indicates that no encoding of Message bytes has occurred, whatever the
    grpc-encoding."""
    stream = connection.open_stream(_encoded("gzip"))
    connection.send_data(stream, framed(page()), end_stream=True)
    assert connection.answer(stream).status == OK


def test_an_unknown_encoding_is_unimplemented_and_the_known_ones_are_told(
    connection: RawConnection,
) -> None:
    """A Compressed-Flag with an algorithm that the server does not support: UNIMPLEMENTED, and
    grpc-accept-encoding tells the supported ones."""
    stream = connection.open_stream(_encoded("lzw"))
    connection.send_data(stream, framed(page(), compressed=1), end_stream=True)
    answer = connection.answer(stream)
    assert answer.status == UNIMPLEMENTED
    told = dict(answer.headers)["grpc-accept-encoding"].replace(" ", "").split(",")
    assert {"identity", "gzip"} <= set(told)


@pytest.mark.parametrize("damage", ["not gzip", "cut", "checksum", "behind"])
def test_a_damaged_gzip_message_is_refused(connection: RawConnection, damage: str) -> None:
    """What cannot be inflated is a fault of the message: INTERNAL or INVALID_ARGUMENT, or a reset
    that stands for INTERNAL (the page's table of HTTP2 error codes); never a slate."""
    packed = gzip.compress(page())
    spoiled = {
        "not gzip": page(),
        "cut": packed[:-12],
        "checksum": packed[:-8] + bytes(4) + packed[-4:],
        "behind": packed + b"more",
    }[damage]
    stream = connection.open_stream(_encoded("gzip"))
    connection.send_data(stream, framed(spoiled, compressed=1), end_stream=True)
    answer = connection.answer(stream)
    told = answer.status in (INTERNAL, INVALID_ARGUMENT)
    assert told or answer.reset == ErrorCode.INTERNAL_ERROR, answer


def test_damaged_gzip_messages_leave_nothing_behind(
    server: ServerProcess, connection: RawConnection
) -> None:
    """Each inflater holds some 7 KiB, so 4,000 that were forgotten would be 28 MiB."""
    packed = gzip.compress(page())
    damaged = framed(packed[:-8] + bytes(4) + packed[-4:], compressed=1)  # another checksum
    headers = _encoded("gzip")

    def send(count: int) -> None:
        for _ in range(count):
            stream = connection.open_stream(headers)
            connection.send_data(stream, damaged, end_stream=True)
            assert connection.answer(stream).status == INTERNAL

    send(500)
    before = server.resident_mib
    send(4000)
    assert server.resident_mib < before + 8


def test_a_message_at_the_limit_is_taken(connection: RawConnection) -> None:
    """Message-Length up to --max-message-bytes, which counts without the prefix."""
    request = large_page(LIMIT - 2000)
    request += b"\x12" + _varint(LIMIT - len(request) - 1 - 2) + b""  # the name of the model
    request += b"m" * (LIMIT - len(request))
    assert len(request) == LIMIT
    assert connection.call(request).status == 5  # no such model: it was read


@pytest.mark.parametrize("over", [1, 1 << 16])
def test_a_message_above_the_limit_is_exhausted(connection: RawConnection, over: int) -> None:
    """A message larger than the server takes: RESOURCE_EXHAUSTED, and the connection stays."""
    answer = connection.call(bytes(LIMIT + over))
    assert answer.status == RESOURCE_EXHAUSTED, answer
    assert connection.call(page()).status == OK


def test_a_length_of_4_gib_is_refused_at_once(connection: RawConnection) -> None:
    """Message-Length -> {length of Message} as 4 byte unsigned integer (big endian): the largest is
    above the limit, and refused before its bytes come."""
    stream = connection.open_stream()
    connection.send_data(stream, struct.pack(">BI", 0, 0xFFFFFFFF))
    assert connection.answer(stream).status == RESOURCE_EXHAUSTED


def test_a_gzip_message_that_inflates_beyond_the_limit_is_exhausted(
    connection: RawConnection, server: ServerProcess
) -> None:
    """The limit of a message is that of the inflated one; it is not inflated beyond."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    block = bytes(1 << 20)
    bomb = b"".join(packer.compress(block) for _ in range(128)) + packer.flush()
    assert len(bomb) < LIMIT
    server.forget_peak()
    before = server.resident_mib
    stream = connection.open_stream(_encoded("gzip"))
    connection.send_data(stream, framed(bomb, compressed=1), end_stream=True)
    assert connection.answer(stream).status == RESOURCE_EXHAUSTED
    assert server.peak_mib - before < 16, "128 MiB were inflated"


@pytest.mark.parametrize("cut", [0, 1, 4, 5, 20])
def test_a_cut_message_gets_an_error(connection: RawConnection, cut: int) -> None:
    """A call that ends within a message, or without one, is malformed: INTERNAL, INVALID_ARGUMENT
    or UNIMPLEMENTED, which gRPC's own servers choose between; or a reset."""
    stream = connection.open_stream()
    connection.send_data(stream, framed(page())[:cut], end_stream=True)
    answer = connection.answer(stream)
    refused = answer.status in (INTERNAL, INVALID_ARGUMENT, UNIMPLEMENTED)
    assert refused or answer.reset is not None, answer
    assert connection.call(page()).status == OK


def test_headers_that_end_the_stream_are_a_call_without_message(connection: RawConnection) -> None:
    """The same rule, where HEADERS carry END_STREAM."""
    answer = connection.answer(connection.open_stream(end_stream=True))
    assert answer.status in (INTERNAL, INVALID_ARGUMENT, UNIMPLEMENTED) or answer.reset is not None


def test_two_messages_of_a_unary_call_are_refused_or_one_is_answered(
    connection: RawConnection,
) -> None:
    """A unary call has one message. A second one is an error of cardinality (INTERNAL or
    UNIMPLEMENTED) or is dropped, as gRPC's C servers do; two slates never come."""
    stream = connection.open_stream()
    connection.send_data(stream, framed(page()) * 2, end_stream=True)
    answer = connection.answer(stream)
    if answer.status == OK:
        slate_of(answer.message)
    else:
        assert answer.status in (INTERNAL, INVALID_ARGUMENT, UNIMPLEMENTED) or answer.reset, answer
    assert connection.call(page()).status == OK


def test_an_empty_message_is_a_message(connection: RawConnection) -> None:
    """A Message-Length of 0: the request without queries, which the engine refuses by name."""
    answer = connection.call(b"")
    assert answer.status == INVALID_ARGUMENT and "queries" in answer.text


def test_trailers_of_the_caller_end_its_call(connection: RawConnection) -> None:
    """Requests have no trailers in gRPC, in HTTP/2 they may (RFC 9113, 8.1): the call is answered
    or refused by a status or reset, and not left open."""
    stream = connection.open_stream()
    connection.send_data(stream, framed(page()))
    block = connection.encoder.encode([("x-trailer", "1")])
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS | Flag.END_STREAM, stream, block))
    answer = connection.answer(stream)
    assert answer.status is not None or answer.reset is not None
    assert connection.call(page()).status == OK


def test_trailers_that_do_not_end_the_stream_are_malformed(connection: RawConnection) -> None:
    """A second HEADERS without END_STREAM is malformed (RFC 9113, 8.1): a stream error."""
    stream = connection.open_stream()
    connection.send_data(stream, framed(page())[:20])
    block = connection.encoder.encode([("x-trailer", "1")])
    connection.send(frame(Kind.HEADERS, Flag.END_HEADERS, stream, block))
    connection.assert_stream_error(stream, ErrorCode.PROTOCOL_ERROR)


def _varint(value: int) -> bytes:
    coded = b""
    while value > 127:
        coded += bytes([value & 127 | 128])
        value >>= 7
    return coded + bytes([value])
