"""Every answer names its call, by the caller's own name where it gave one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import grpc
import pytest

from gerank_server.native import library_path
from tests.native.test_gerank_server import _payload, serving
from tests.server.raw_calls import RERANK, watch
from tests.server.stand_in import StandIn

PROGRAM = library_path().parent / "gerank-server"
pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")
DRAWN = re.compile("[0-9a-f]{16}")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    return StandIn(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def channel(model: StandIn) -> Iterator[grpc.Channel]:
    with serving(model.path) as (_, channel):
        yield channel


def _all_metadata(call: Any) -> dict[str, str]:
    """An error has one block of headers, which grpcio tells as trailing metadata."""
    both = (*call.initial_metadata(), *call.trailing_metadata())
    return {str(name): str(value) for name, value in both}


def _headers(
    channel: grpc.Channel, *metadata: tuple[str, str], message: bytes | None = None
) -> dict[str, str]:
    """What comes before the answer, or with the error, of one call."""
    payload = _payload() if message is None else message
    call = channel.unary_unary(RERANK).future(payload, timeout=20, metadata=metadata)
    return _all_metadata(call)


def test_the_callers_names_come_back(channel: grpc.Channel) -> None:
    headers = _headers(channel, ("x-request-id", "page-7/abc"), ("traceparent", TRACE))
    assert headers["x-request-id"] == "page-7/abc" and headers["traceparent"] == TRACE


def test_a_call_without_a_name_gets_one_of_its_own(channel: grpc.Channel) -> None:
    drawn = {_headers(channel)["x-request-id"] for _ in range(20)}
    assert len(drawn) == 20 and all(DRAWN.fullmatch(each) for each in drawn)
    assert "traceparent" not in _headers(channel)


def test_the_name_of_one_call_is_not_that_of_the_next(channel: grpc.Channel) -> None:
    assert _headers(channel, ("x-request-id", "first"))["x-request-id"] == "first"
    assert _headers(channel)["x-request-id"] != "first"


@pytest.mark.parametrize("name", ["", "two words", "x" * 129])
def test_what_cannot_stand_in_a_log_is_no_name(channel: grpc.Channel, name: str) -> None:
    assert DRAWN.fullmatch(_headers(channel, ("x-request-id", name))["x-request-id"])


def test_a_refused_call_and_a_stream_are_named_too(channel: grpc.Channel) -> None:
    refused = _headers(channel, ("x-request-id", "refused-1"), message=b"\xff")
    assert refused["x-request-id"] == "refused-1"
    stream = watch(channel)
    next(stream)
    assert DRAWN.fullmatch(dict(stream.initial_metadata())["x-request-id"])
    stream.cancel()


@pytest.mark.parametrize("given", ["page-7", None])
def test_a_failure_inside_is_logged_under_its_name(model: StandIn, given: str | None) -> None:
    metadata = [("x-request-id", given)] if given else []
    model.fail(False)
    with serving(model.path, "--log-format", "json") as (process, channel):
        model.fail(True)
        call = channel.unary_unary(RERANK).future(_payload(), timeout=20, metadata=metadata)
        error = call.exception(timeout=20)
        model.fail(False)
        name = given or _all_metadata(call)["x-request-id"]
        assert process.stderr is not None
        line = json.loads(process.stderr.readline())
    assert error.code() is grpc.StatusCode.INTERNAL
    assert error.details() == f"internal error, logged as request {name}"
    assert (line["level"], line["event"], line["request_id"]) == ("error", "internal_error", name)
    assert "the secret of the house" in line["message"] and name in line["message"]
