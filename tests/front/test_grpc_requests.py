"""The head of a call, as the page "gRPC over HTTP2" has it (its section Requests)."""

from __future__ import annotations

import pytest

from tests.front.call_bytes import DESCRIBE, RERANK, call_headers, page, slate_of
from tests.front.frames import ErrorCode
from tests.front.raw_connection import RawConnection

OK, UNIMPLEMENTED = 0, 12


def test_an_ordinary_call_gets_its_slate(connection: RawConnection) -> None:
    """Request -> Request-Headers *Length-Prefixed-Message EOS."""
    answer = connection.call(page())
    assert (answer.http_status, answer.status) == (200, OK)
    assert slate_of(answer.message).model_version == "stand-in-1"


@pytest.mark.parametrize(
    "content_type",
    ["application/grpc", "application/grpc+proto", "application/grpc;charset=utf-8"],
)
def test_content_types_of_grpc_are_served(connection: RawConnection, content_type: str) -> None:
    """Content-Type -> "content-type" "application/grpc" [("+proto" / "+json" / {custom})]."""
    answer = connection.call(page(), headers=call_headers(content_type=content_type))
    assert (answer.http_status, answer.status) == (200, OK)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/grpcx", "text/plain", "application/grpc-web"]
)
def test_other_content_types_get_415(connection: RawConnection, content_type: str) -> None:
    """If Content-Type does not begin with "application/grpc", gRPC servers SHOULD respond with HTTP
    status of 415 (Unsupported Media Type)."""
    answer = connection.call(page(), headers=call_headers(content_type=content_type))
    assert answer.http_status == 415


def test_a_call_without_content_type_gets_415(connection: RawConnection) -> None:
    """The same rule: what is missing does not begin with "application/grpc"."""
    answer = connection.call(page(), headers=call_headers(without="content-type"))
    assert answer.http_status == 415


@pytest.mark.parametrize("te", ["missing", "gzip"])
def test_te_does_not_decide_over_a_call(connection: RawConnection, te: str) -> None:
    """TE -> "te" "trailers": used to detect incompatible proxies. A caller without it is answered
    or refused, by a status or a reset, and the connection stays."""
    headers = call_headers(without="te") if te == "missing" else call_headers(te=te)
    answer = connection.call(page(), headers=headers)
    refused = answer.reset == ErrorCode.PROTOCOL_ERROR or 400 <= answer.http_status < 500
    assert refused or answer.status is not None, answer
    assert connection.call(page()).status == OK


@pytest.mark.parametrize(
    "path",
    [
        "/gerank.v1.RerankService/Unheard",
        "/unheard.Service/Rerank",
        "/",
        "/x",
        "/a/b/c",
        f"{RERANK}/",
    ],
)
def test_unknown_methods_are_unimplemented(connection: RawConnection, path: str) -> None:
    """A method that the server does not have gets UNIMPLEMENTED, told in Trailers-Only: one HEADERS
    frame with END_STREAM."""
    answer = connection.call(page(), path)
    assert (answer.http_status, answer.status, answer.frames) == (200, UNIMPLEMENTED, ["HEADERS"])
    assert dict(answer.headers)["content-type"].startswith("application/grpc")


@pytest.mark.parametrize("method", ["GET", "PUT", "HEAD", "OPTIONS"])
def test_other_http_methods_are_refused(connection: RawConnection, method: str) -> None:
    """Method -> ":method POST": anything else is no call of gRPC, and no slate comes."""
    answer = connection.call(page(), headers=call_headers(method=method))
    assert answer.status != OK and not answer.data
    assert answer.over and connection.call(page()).status == OK


def test_unknown_headers_are_custom_metadata(connection: RawConnection) -> None:
    """Custom-Metadata -> Binary-Header / ASCII-Header: what the server does not know, it ignores,
    padded or unpadded base64 alike, and names given twice."""
    headers = call_headers(
        RERANK,
        ("x-request", "a, b"),
        ("x-request", "c"),
        ("trace-bin", "AAECAwQ="),
        ("trace-bin", "AAECAwQ"),
        ("user-agent", "grpc-none/1"),
    )
    assert connection.call(page(), headers=headers).status == OK


def test_broken_binary_metadata_harms_its_own_call_alone(connection: RawConnection) -> None:
    """Binary-Header values are base64; what is not is answered or refused, and no other call is
    touched."""
    answer = connection.call(page(), headers=call_headers(RERANK, ("trace-bin", "%%%")))
    assert answer.over
    assert connection.call(page()).status == OK


def test_metadata_of_6_kib_is_taken(connection: RawConnection) -> None:
    """Servers may limit the size of Request-Headers, with a default of 8 KiB suggested."""
    large = [(f"x-{index}", "v" * 1000) for index in range(6)]
    assert connection.call(page(), headers=call_headers(RERANK, *large)).status == OK


def test_metadata_of_a_mebibyte_is_refused(connection: RawConnection) -> None:
    """The same rule: a call above the limit ends by RESOURCE_EXHAUSTED, by HTTP 431, by a reset or
    with its connection, and is not served."""
    large = call_headers(RERANK, *[(f"x-{index}", "v" * 8000) for index in range(128)])
    block = connection.encoder.encode(large, huffman=False)
    connection.send_block(1, block, end_stream=False)
    connection.read_until(lambda: connection.closed or connection.answer_so_far(1).over)
    answer = connection.answer_so_far(1)
    assert answer.status in (None, 8) and answer.http_status in (0, 200, 431)


def test_calls_share_a_connection_and_may_end_in_any_order(connection: RawConnection) -> None:
    """HTTP2 Transport Mapping, Stream Identification: HTTP2 stream-ids are used as call ids, and
    calls of one connection are independent."""
    open_call = connection.open_stream(call_headers(DESCRIBE))
    later = [connection.send_call(page()) for _ in range(5)]
    assert all(connection.answer(stream).status == OK for stream in later)
    connection.send_data(open_call, b"\0\0\0\0\0", end_stream=True)
    assert connection.answer(open_call).status == OK
