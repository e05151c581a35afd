"""Calls without a token of the server: told in the log, and counted under their method."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import grpc
import pytest

from tests.native.metrics_client import await_page
from tests.native.test_gerank_server import METHOD, PROGRAM, running
from tests.server.stand_in import StandIn

pytestmark = pytest.mark.skipif(not PROGRAM.exists(), reason="the native front is not built")


def test_a_refused_call_is_told_without_its_secret_and_counted(tmp_path: Path) -> None:
    model, tokens = StandIn(tmp_path), tmp_path / "tokens"
    tokens.write_text("sesame\n")
    words = ("--model", model.path, "--address", "127.0.0.1:0", "--token-file", tokens)
    more = ("--metrics-address", "127.0.0.1:0", "--log-format", "json")
    with running(*words, *more) as (process, channel):
        assert process.stdout is not None and process.stderr is not None
        metrics = process.stdout.readline().split()[-1]
        for path, token in ((METHOD, "barley"), (METHOD, ""), ("/their.Own/Words", "barley")):
            metadata = [("x-request-id", "visit-7")]
            metadata += [("authorization", f"Bearer {token}")] if token else []
            with pytest.raises(grpc.RpcError) as caught:
                channel.unary_unary(path)(b"", timeout=20, metadata=metadata)
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        for method, count in ((METHOD[1:], 2), ("unknown", 1)):
            page = await_page(
                metrics,
                lambda page, method=method, count=count: (
                    page("gerank_calls_total", method=method, code="UNAUTHENTICATED") == count
                ),
            )
        assert page("gerank_queries_total", outcome="refused") == 0
        assert page("gerank_queries_total", outcome="malformed") == 0
        process.send_signal(signal.SIGTERM)
        lines = process.stderr.read()
    assert "barley" not in lines and "their.Own" not in lines
    events = [json.loads(line) for line in lines.splitlines()]
    assert {each["event"] for each in events} == {"call_refused"}
    assert {each["level"] for each in events} == {"warning"}
    assert {each["request_id"] for each in events} == {"visit-7"}
    assert all(each["peer"].startswith("127.0.0.1:") for each in events)
    assert [(each["method"], each["reason"]) for each in events] == [
        (METHOD[1:], "authorization: must be 'Bearer' and a token of this server"),
        (METHOD[1:], "authorization: must be given once, as 'Bearer TOKEN'"),
        ("unknown", "authorization: must be 'Bearer' and a token of this server"),
    ]
