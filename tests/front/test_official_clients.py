"""gRPC's own Python clients, blocking and asyncio, with what they can do to a call."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2
from grpc_status import rpc_status

from tests.front.call_bytes import (
    HEALTH_WATCH,
    RERANK,
    large_page,
    malformed_page,
    page,
    slate_of,
)
from tests.front.server_process import ServerProcess
from tests.server.counters import await_ended, statistics_of
from tests.server.stand_in import StandIn

MIB = 1 << 20


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with server.own_channel() as opened:
        yield opened


def test_many_calls_of_one_channel(channel: grpc.Channel) -> None:
    """Concurrent calls share a connection, and each gets its own answer."""
    calls = [channel.unary_unary(RERANK).future(page(), timeout=20) for _ in range(300)]
    assert {slate_of(call.result()).id for call in calls} == {"page"}


@pytest.mark.parametrize("compression", list(grpc.Compression))
def test_every_compression_of_the_client_is_answered_or_named(
    channel: grpc.Channel, compression: grpc.Compression
) -> None:
    """Message-Encoding: gzip and identity are served. What the server does not know is
    UNIMPLEMENTED; deflate may be either."""
    try:
        answer = channel.unary_unary(RERANK)(page(), timeout=10, compression=compression)
        assert slate_of(answer).id == "page"
    except grpc.RpcError as error:
        assert compression is grpc.Compression.Deflate
        assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_message_of_15_mib_is_taken_and_one_of_17_is_not(server: ServerProcess) -> None:
    """--max-message-bytes is 16 MiB by default: RESOURCE_EXHAUSTED beyond it."""
    with server.own_channel(grpc__max_receive_message_length=-1) as channel:
        rerank = channel.unary_unary(RERANK)
        assert slate_of(rerank(large_page(15 * MIB), timeout=20)).id == "page"
        with pytest.raises(grpc.RpcError) as caught:
            rerank(bytes(17 * MIB), timeout=20)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert slate_of(rerank(page(), timeout=20)).id == "page"


def test_details_of_an_error_reach_the_client(channel: grpc.Channel) -> None:
    """grpc-status-details-bin: grpcio-status refuses a document that contradicts its status."""
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(RERANK)(malformed_page(), timeout=10)
    status = rpc_status.from_call(caught.value)
    assert status is not None and status.code == 3 and status.message == caught.value.details()
    bad = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(bad)
    assert bad.field_violations[0].field == "queries[0].slots"


def test_text_beyond_ascii_reaches_the_client(channel: grpc.Channel) -> None:
    """Status-Message is percent-coded UTF-8."""
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(RERANK)(malformed_page(model="Zürich 100 % 東京"), timeout=10)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND
    assert "Zürich 100 % 東京" in caught.value.details()


def test_a_deadline_ends_a_call(channel: grpc.Channel, model: StandIn) -> None:
    """grpc-timeout: DEADLINE_EXCEEDED in time, and the server forgets the call."""
    model.reset()
    model.hold()
    busy = channel.unary_unary(RERANK).future(page(), timeout=20)
    model.await_forwards(1)
    before = statistics_of(channel)
    began = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(RERANK)(page(), timeout=0.5)
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 3
    model.release()
    assert busy.result()
    await_ended(channel, before.expired + before.cancelled + 1)


def test_cancelled_calls_are_forgotten(channel: grpc.Channel, model: StandIn) -> None:
    """RST_STREAM(CANCEL), as the client sends it."""
    model.reset()
    model.hold()
    busy = channel.unary_unary(RERANK).future(page(), timeout=20)
    model.await_forwards(1)
    before = statistics_of(channel)
    calls = [channel.unary_unary(RERANK).future(page(), timeout=20) for _ in range(5)]
    end = time.monotonic() + 10
    while statistics_of(channel).queued < 5:
        assert time.monotonic() < end
        time.sleep(0.01)
    for call in calls:
        call.cancel()
    await_ended(channel, before.expired + before.cancelled + 5)
    model.release()
    assert busy.result()


def test_metadata_of_every_kind_is_taken(channel: grpc.Channel) -> None:
    """Custom-Metadata: ASCII and binary, 6 KiB together."""
    metadata = [("x-text", "v" * 3000), ("x-bytes-bin", bytes(range(256)) * 8), ("x-text", "2")]
    assert slate_of(channel.unary_unary(RERANK)(page(), timeout=10, metadata=metadata)).id == "page"


def test_a_watch_is_cancelled_by_its_client(channel: grpc.Channel) -> None:
    """A server stream: its first message comes at once, its end when the client wants it."""
    watch = channel.unary_stream(
        HEALTH_WATCH, response_deserializer=health_pb2.HealthCheckResponse.FromString
    )(b"", timeout=20)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
    watch.cancel()
    with pytest.raises(grpc.RpcError):
        next(watch)


def test_a_client_that_pings_often_is_served(server: ServerProcess) -> None:
    """Keepalive (gRPC's page of that name): a PING a second, also without calls, is no abuse
    here."""
    with server.own_channel(
        grpc__keepalive_time_ms=1000,
        grpc__keepalive_timeout_ms=2000,
        grpc__keepalive_permit_without_calls=1,
        grpc__http2__max_pings_without_data=0,
        grpc__enable_retries=0,
    ) as pinging:
        for _ in range(4):
            assert slate_of(pinging.unary_unary(RERANK)(page(), timeout=10)).id == "page"
            time.sleep(1.1)


def test_asyncio(server: ServerProcess) -> None:
    """grpc.aio: calls, an error with its details, a deadline, a watch and a cancellation."""

    async def use() -> None:
        async with grpc.aio.insecure_channel(server.address) as channel:
            rerank = channel.unary_unary(RERANK)
            answers = await asyncio.gather(*(rerank(page(), timeout=20) for _ in range(100)))
            assert {slate_of(answer).id for answer in answers} == {"page"}
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await rerank(malformed_page(), timeout=10)
            assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert "grpc-status-details-bin" in dict(caught.value.trailing_metadata())
            watch = channel.unary_stream(HEALTH_WATCH)(b"")
            assert await watch.read() == b"\x08\x01"
            watch.cancel()
            call = rerank(page())
            call.cancel()
            with pytest.raises(asyncio.CancelledError):
                await call
            assert slate_of(await rerank(page(), timeout=10)).id == "page"

    asyncio.run(use())
