"""Calls that expire, are refused or fail: what callers see, and what never reaches the model."""

from __future__ import annotations

import logging
import time

import grpc
import pytest

from gerank.client import RerankClient, ServerError
from gerank.proto import rerank_pb2 as pb
from gerank_server import Front, ServerOptions, serve
from tests.data.bad_requests import valid_document
from tests.server.counters import await_ended, await_statistics
from tests.server.raw_calls import rerank, retry_delay_s
from tests.server.stand_in import StandIn


def _await_in_log(
    caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str], *words: str
) -> None:
    """Returns when all words have been logged: the native front does not wait for its log."""
    text, end = caplog.text, time.monotonic() + 10
    while not all(word in text for word in words):
        assert time.monotonic() < end, text
        time.sleep(0.01)
        text += capfd.readouterr().err


@pytest.mark.parametrize("end", ["deadline", "cancel"])
def test_a_call_that_ended_in_the_queue_never_reaches_the_model(
    channel: grpc.Channel, model: StandIn, end: str
) -> None:
    model.hold()
    first = rerank(channel)
    model.await_forwards(1)
    second = rerank(channel, timeout_s=0.5 if end == "deadline" else 20)
    await_statistics(channel, accepted=2)
    if end == "cancel":
        second.cancel()
        await_statistics(channel, cancelled=1, expired=0)
    else:
        assert second.exception(timeout=10).code() is grpc.StatusCode.DEADLINE_EXCEEDED
        await_ended(channel, 1)
    model.release()
    first.result(timeout=10)
    rerank(channel).result(timeout=10)
    assert model.forwards == 2
    await_statistics(channel, accepted=3, answered=2, batches=2, queued=0, running=0)


def test_a_full_queue_refuses_and_tells_when_to_come_again(front: Front, model: StandIn) -> None:
    options = ServerOptions(max_queue=2, max_queries=2)
    with (
        serve(model.path, "127.0.0.1:0", options, front) as server,
        grpc.insecure_channel(f"127.0.0.1:{server.port}") as channel,
    ):
        model.reset()
        model.hold()
        running = rerank(channel)
        model.await_forwards(1)
        waiting = [rerank(channel) for _ in range(2)]
        await_statistics(channel, queued=2)
        error = rerank(channel).exception(timeout=10)
        assert 0 < retry_delay_s(error) < 60
        model.release()
        for call in (running, *waiting):
            assert len(pb.RerankResponse.FromString(call.result(timeout=10)).slates) == 1
        rerank(channel).result(timeout=10)
        await_statistics(channel, refused=1, answered=4)


def test_a_failure_inside_is_logged_and_not_sent(
    client: RerankClient,
    model: StandIn,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model.fail(True)
    with caplog.at_level(logging.ERROR), pytest.raises(ServerError) as caught:
        client.rerank([valid_document()])
    assert caught.value.code is grpc.StatusCode.INTERNAL
    assert "secret" not in str(caught.value)
    request_id = str(caught.value).split()[-1]
    _await_in_log(caplog, capfd, "secret", request_id)
    model.fail(False)
    assert len(client.rerank([valid_document()])) == 1


@pytest.mark.parametrize("candidate", [999, -7])
def test_an_answer_that_is_no_slate_of_the_request_is_a_failure_inside(
    client: RerankClient,
    model: StandIn,
    candidate: int,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    model.answer_wrongly(candidate)
    for _ in range(3):
        with pytest.raises(ServerError) as caught:
            client.rerank([valid_document(), valid_document()])
        assert caught.value.code is grpc.StatusCode.INTERNAL
    fault = f"candidate {candidate} at slot 0, which the request does not have"
    _await_in_log(caplog, capfd, fault)
    model.answer_wrongly(0)
    assert len(client.rerank([valid_document()])) == 1
