"""Answers: Response -> (Response-Headers *Length-Prefixed-Message Trailers) / Trailers-Only."""

from __future__ import annotations

import string

from google.rpc import error_details_pb2

from tests.front.call_bytes import (
    DESCRIBE,
    HEALTH_CHECK,
    HEALTH_WATCH,
    STATISTICS,
    call_headers,
    malformed_page,
    page,
)
from tests.front.frames import framed, rst_stream
from tests.front.raw_connection import RawConnection
from tests.server.stand_in import StandIn

OK, INVALID_ARGUMENT, NOT_FOUND, INTERNAL = 0, 3, 5, 13


def test_an_answer_is_headers_a_message_and_trailers(connection: RawConnection) -> None:
    """Response-Headers -> HTTP-Status [Message-Encoding] [Message-Accept-Encoding] Content-Type
    *Custom-Metadata; Trailers -> Status [Status-Message] *Custom-Metadata, with END_STREAM."""
    for path in (DESCRIBE, STATISTICS, HEALTH_CHECK):
        answer = connection.call(b"", path)
        kinds = answer.frames
        assert kinds[0] == kinds[-1] == "HEADERS" and set(kinds[1:-1]) == {"DATA"}, answer
        names = [name for name, _ in answer.headers]
        assert names[0] == ":status" and "grpc-status" not in names
        assert dict(answer.headers)["content-type"].startswith("application/grpc")
        assert answer.status == OK and answer.ended and answer.reset is None
        assert not any(name.startswith(":") for name, _ in answer.trailers)
        assert len(answer.message) > 0


def test_status_is_decimal_without_leading_zeros(connection: RawConnection) -> None:
    """Status -> "grpc-status" 1*DIGIT ; 0-9, without leading zeros."""
    for message in (page(), malformed_page()):
        coded = dict(connection.call(message).trailers)["grpc-status"]
        assert coded == str(int(coded))


def test_a_refused_call_is_told_by_http_200(connection: RawConnection) -> None:
    """Implementations MUST send Trailers even if the status is not OK, under HTTP status 200."""
    answer = connection.call(malformed_page())
    assert (answer.http_status, answer.status, answer.data) == (200, INVALID_ARGUMENT, b"")
    assert answer.text.startswith("queries[0].slots:")


def test_the_text_of_an_error_is_percent_coded(connection: RawConnection) -> None:
    """Percent-Byte-Unencoded -> 1*( %x20-%x24 / %x26-%x7E ) ; space and VCHAR, except %.
    Percent-Encoded -> "%" 2HEXDIGIT: of UTF-8."""
    answer = connection.call(malformed_page(model="Zürich 100 % 東京\x01"))
    coded = dict(answer.trailers)["grpc-message"]
    assert answer.status == NOT_FOUND
    assert set(coded) <= set(map(chr, range(0x20, 0x7F)))
    assert "%C3%BC" in coded.upper() and "%25" in coded and "100 %25" in coded.replace("%20", " ")
    assert "Zürich 100 % 東京" in answer.text
    for index, character in enumerate(coded):
        if character == "%":
            assert set(coded[index + 1 : index + 3]) <= set(string.hexdigits)


def test_details_say_the_same_as_the_status(connection: RawConnection) -> None:
    """Status-Details -> "grpc-status-details-bin": a base64-encoded google.rpc.Status; if it
    contradicts Status or Status-Message, the call is an error. Here BadRequest names the field."""
    answer = connection.call(malformed_page())
    assert answer.details.code == answer.status == INVALID_ARGUMENT
    assert answer.details.message == answer.text
    [packed] = answer.details.details
    bad = error_details_pb2.BadRequest()
    assert packed.type_url == "type.googleapis.com/google.rpc.BadRequest" and packed.Unpack(bad)
    assert [violation.field for violation in bad.field_violations] == ["queries[0].slots"]


def test_an_internal_error_tells_nothing_of_the_house(
    connection: RawConnection, model: StandIn
) -> None:
    """Status-Message is for the caller: an id of the log, not the text of an exception."""
    model.fail(True)
    try:
        answer = connection.call(page())
    finally:
        model.fail(False)
    assert answer.status == INTERNAL and "secret" not in answer.text
    assert "logged as request" in answer.text


def test_a_stream_of_answers_goes_on(connection: RawConnection) -> None:
    """Response-Headers and each Length-Prefixed-Message of a server stream come when they are
    there: health's watch tells its first status at once, and no trailers."""
    stream = connection.send_call(b"", HEALTH_WATCH)
    connection.read_until(lambda: len(connection.answer_so_far(stream).data) >= 7)
    answer = connection.answer_so_far(stream)
    assert answer.data == framed(b"\x08\x01") and not answer.over
    connection.send(rst_stream(stream))
    connection.ping()
    assert not connection.answer_so_far(stream).ended


def test_answers_of_health_name_unknown_services(connection: RawConnection) -> None:
    """Health checking protocol: Check of a service that the server does not know is NOT_FOUND."""
    answer = connection.call(b"\x0a\x07unheard", HEALTH_CHECK, call_headers(HEALTH_CHECK))
    assert answer.status == NOT_FOUND
