"""Callers that leave: "Upon receiving RST_STREAM (CANCEL) the call is over", and costs nothing."""

from __future__ import annotations

from collections.abc import Iterator

import grpc
import pytest

from tests.front.call_bytes import HEALTH_WATCH, page
from tests.front.frames import framed, rst_stream
from tests.front.raw_connection import RawConnection
from tests.front.server_process import ServerProcess
from tests.server.counters import await_statistics, statistics_of
from tests.server.stand_in import StandIn


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with server.own_channel() as opened:
        yield opened


def test_a_reset_frees_the_calls_that_wait(
    connection: RawConnection, channel: grpc.Channel, model: StandIn
) -> None:
    """Errors, CANCEL(8): the caller no longer needs the answer. Ten calls wait behind one that the
    model works on; all ten are reset, and none of them reaches the model. Nothing is sent on a
    stream that is closed (RFC 9113, 5.1)."""
    before = statistics_of(channel)
    model.reset()
    model.hold()
    busy = connection.send_call(page())
    model.await_forwards(1)
    waiting = [connection.send_call(page()) for _ in range(10)]
    await_statistics(channel, queued=10)
    connection.send(b"".join(rst_stream(stream) for stream in waiting))
    await_statistics(channel, queued=0, cancelled=before.cancelled + 10)
    model.release()
    assert connection.answer(busy).status == 0
    assert model.forwards == 1
    connection.ping()
    assert not any(connection.answer_so_far(stream).frames for stream in waiting)


def test_a_lost_connection_frees_its_calls(
    server: ServerProcess, channel: grpc.Channel, model: StandIn
) -> None:
    """The same, where the caller's whole connection goes."""
    before = statistics_of(channel)
    model.reset()
    model.hold()
    with RawConnection(server.port) as gone, RawConnection(server.port) as stays:
        busy = stays.send_call(page())
        model.await_forwards(1)
        for _ in range(10):
            gone.send_call(page())
        await_statistics(channel, queued=10)
        gone.close()
        await_statistics(channel, queued=0, cancelled=before.cancelled + 10)
        model.release()
        assert stays.answer(busy).status == 0


def test_a_reset_of_the_call_that_the_model_works_on_is_survived(
    connection: RawConnection, model: StandIn
) -> None:
    """An answer that nobody waits for any more is dropped: nothing is sent on a stream that its
    peer has reset (RFC 9113, 5.1), and the connection serves on."""
    model.reset()
    model.hold()
    stream = connection.send_call(page())
    model.await_forwards(1)
    connection.send(rst_stream(stream))
    connection.ping()
    model.release()
    assert connection.call(page()).status == 0
    assert connection.answer_so_far(stream).frames == []


def test_a_reset_in_the_middle_of_a_message_is_survived(connection: RawConnection) -> None:
    """A call may be cancelled before its message is whole; the next stream is not touched."""
    for cut in (0, 3, 5, 50):
        stream = connection.open_stream()
        connection.send_data(stream, framed(page())[:cut])
        connection.send(rst_stream(stream))
    assert connection.call(page()).status == 0


def test_watchers_that_leave_give_their_descriptors_back(server: ServerProcess) -> None:
    """A server stream whose connection is gone holds nothing."""
    before = server.descriptors
    watchers = [RawConnection(server.port) for _ in range(20)]
    for watcher in watchers:
        stream = watcher.send_call(b"", HEALTH_WATCH)
        watcher.read_until(lambda w=watcher, s=stream: bool(w.answer_so_far(s).data))
    assert server.descriptors > len(watchers)
    for watcher in watchers:
        watcher.close()
    server.await_descriptors(before)
