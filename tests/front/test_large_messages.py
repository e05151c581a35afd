"""Many large messages, and small ones that inflate: memory stays within what was configured."""

from __future__ import annotations

import os
import sys
import threading
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import grpc
import pytest

from tests.front.bystander import Bystander
from tests.front.call_bytes import RERANK, call_headers, large_page, page
from tests.front.frames import framed
from tests.front.raw_connection import RawConnection
from tests.front.server_process import ServerProcess
from tests.server.stand_in import StandIn

MIB = 1 << 20
LARGE = 15 * MIB
CALLS, CONNECTIONS = 24, 6
BURST = int(os.environ.get("GERANK_FRONT_LARGE_CALLS", "40"))
BURST_SIZE = min(LARGE, 4096 * MIB // BURST)  # the clients hold a copy of each
BUDGET, BUDGET_OF_ONE = 96 * MIB, 32 * MIB
SERVER_OPTIONS = ("--buffer-bytes", BUDGET, "--connection-buffer-bytes", BUDGET_OF_ONE)
RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED = 8, 4


def _bomb(mib: int) -> bytes:
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    block = bytes(MIB)
    return b"".join(packer.compress(block) for _ in range(mib)) + packer.flush()


def test_gzip_bombs_are_not_inflated(server: ServerProcess, bystander: Bystander) -> None:
    """The limit of a message holds for the inflated one: 256 MiB in 1 MiB is refused by
    RESOURCE_EXHAUSTED before it takes memory or others' time."""
    bomb = framed(_bomb(256), compressed=1)
    with bystander.unharmed("gzip bomb"), RawConnection(server.port) as attacker:
        for _ in range(4):
            stream = attacker.open_stream(call_headers(RERANK, ("grpc-encoding", "gzip")))
            attacker.send_data(stream, bomb, end_stream=True)
            assert attacker.answer(stream, timeout_s=20).status == RESOURCE_EXHAUSTED


def test_waiting_messages_stay_within_the_budget_of_bytes(
    server: ServerProcess, model: StandIn
) -> None:
    """Flow control is there to bound what a receiver holds (RFC 9113, 5.2): while the model is
    busy, 24 calls of 15 MiB each come over 6 connections. What the server holds of them stays
    within --buffer-bytes; the others wait in their senders, or are refused; afterwards it serves
    all."""
    message, headers = large_page(LARGE), call_headers(RERANK, ("grpc-timeout", "8S"))
    statuses: list[int | None] = []

    def send() -> None:
        with RawConnection(server.port) as sender:
            streams = [sender.open_stream(headers) for _ in range(CALLS // CONNECTIONS)]
            for stream in streams:
                sender.send_data(stream, framed(message), end_stream=True, timeout_s=20)
            statuses.extend(sender.answer(stream, timeout_s=20).status for stream in streams)

    model.reset()
    server.forget_peak()
    before = server.resident_mib
    model.hold()
    senders = [threading.Thread(target=send) for _ in range(CONNECTIONS)]
    for sender in senders:
        sender.start()
    senders[0].join(timeout=1.5)
    model.release()
    for sender in senders:
        sender.join()
    assert len(statuses) == CALLS
    assert set(statuses) <= {0, RESOURCE_EXHAUSTED, DEADLINE_EXCEEDED, None}
    grown = server.peak_mib - before
    most = BUDGET / MIB * 1.2 + 4 * LARGE / MIB  # and what the model works on
    assert grown < most, f"{grown:.0f} MiB more, {most:.0f} allowed"


@pytest.mark.parametrize("host", ["gerank-server", "gerank serve"])
@pytest.mark.timeout(120 + BURST // 2)
def test_bursts_of_large_calls_stay_within_the_budget_and_leave_nothing(
    model: StandIn, host: str
) -> None:
    """5.2: while the model is busy, ordinary clients without a deadline bring large calls
    (GERANK_FRONT_LARGE_CALLS, 40 of 15 MiB by default), far more than fits. Resident memory
    grows by no more than --buffer-bytes and a fifth, every call is answered, and when all is quiet
    again the memory has gone back to the machine: also of a second burst, when malloc knows large
    blocks."""
    message = large_page(BURST_SIZE)
    options = (*SERVER_OPTIONS, "--threads", 2)
    running = ServerProcess(model.path, options, in_python=host == "gerank serve")
    with running as server, ExitStack() as stack:
        channels = [
            stack.enter_context(server.own_channel(grpc__max_receive_message_length=-1))
            for _ in range(CONNECTIONS)
        ]
        for channel in channels:
            channel.unary_unary(RERANK)(page(), timeout=20)
        before = server.resident_mib
        for _ in range(2):
            server.forget_peak()
            _burst(channels, message, model)
            grown, left = server.peak_mib - before, _left_when_quiet(server, before)
            sys.stdout.write(
                f"\n{host}, {BURST} calls of {BURST_SIZE / MIB:.1f} MiB: "
                f"+{grown:.0f} MiB at the peak, +{left:.0f} behind it\n"
            )
            assert grown < BUDGET / MIB * 1.2, f"{grown:.0f} MiB more at the peak"
            assert left < LARGE / MIB, f"{left:.0f} MiB more when all is quiet"


def _burst(channels: list[grpc.Channel], message: bytes, model: StandIn) -> None:
    """All calls at once, while the model is busy; each is answered."""
    model.reset()
    model.hold()
    try:
        calls = [
            channels[n % CONNECTIONS].unary_unary(RERANK).future(message) for n in range(BURST)
        ]
        model.await_forwards(1, timeout_s=60)
        time.sleep(1)  # until no more come
    finally:  # else the calls would hold up the end of their channels
        model.release()
    while calls:  # answers are not kept
        assert calls.pop(0).result(timeout=30 + BURST)


def _left_when_quiet(server: ServerProcess, before: float) -> float:
    """MiB more than before; it is looked after every second, by a thread that may wait."""
    end = time.monotonic() + 15
    while (left := server.resident_mib - before) >= LARGE / MIB and time.monotonic() < end:
        time.sleep(0.5)
    return left


def test_unfinished_large_messages_harm_nobody(server: ServerProcess, bystander: Bystander) -> None:
    """Messages that stop a byte before their end: they hold no more than the budget of their
    connections, and others are served."""
    with bystander.unharmed("unfinished messages", BUDGET / MIB * 1.2 + 64):
        attackers = [RawConnection(server.port) for _ in range(CONNECTIONS)]
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            list(pool.map(_leave_unfinished, attackers))
        time.sleep(0.5)
        for attacker in attackers:
            attacker.close()


def _leave_unfinished(attacker: RawConnection) -> None:
    """Messages that lack their last byte, until nothing more fits."""
    for size in (LARGE, MIB, MIB // 8, MIB // 16):
        for _ in range(3):
            stream = attacker.open_stream()
            attacker.send_what_fits(stream, framed(bytes(size))[:-1])


def test_a_message_waits_for_the_room_of_others(connection: RawConnection) -> None:
    """5.2.1: flow control is directed by the receiver. A third message of 15 MiB is not granted a
    window as long as two fill the budget of the connection; it is read on when one of them was
    answered."""
    message = framed(large_page(LARGE))
    first, second, third = (connection.open_stream() for _ in range(3))
    for stream in (first, second):
        connection.send_data(stream, message[:-1])
    with pytest.raises(TimeoutError):
        connection.send_data(third, message[:MIB], timeout_s=0.3)
    sent = connection.sent_bytes(third)
    assert sent < 1 << 16 and not connection.answer_so_far(third).over
    connection.send_data(first, message[-1:], end_stream=True)
    assert connection.answer(first).status == 0
    connection.send_data(third, message[sent:], end_stream=True)
    connection.send_data(second, message[-1:], end_stream=True)
    assert connection.answer(third).status == connection.answer(second).status == 0


def test_a_message_that_waits_for_room_ends_at_its_deadline(connection: RawConnection) -> None:
    """gRPC over HTTP/2, Timeout: it holds wherever a call is."""
    message = framed(large_page(LARGE))
    for _ in range(2):
        connection.send_data(connection.open_stream(), message[:-1])
    waiting = connection.open_stream(call_headers(RERANK, ("grpc-timeout", "300m")))
    connection.send_what_fits(waiting, message)
    assert connection.answer(waiting).status == DEADLINE_EXCEEDED


def test_messages_that_do_not_come_on_give_their_room_to_others(model: StandIn) -> None:
    """10.5: an endpoint may close what uses resources excessively. Large messages that wait are
    read when those that fill the budget have made no progress for --keepalive-timeout-s; their
    callers are told."""
    options = (*SERVER_OPTIONS, "--keepalive-timeout-s", 1)
    message = framed(large_page(LARGE))
    with ServerProcess(model.path, options) as server, RawConnection(server.port) as other:
        stuck = [RawConnection(server.port) for _ in range(CONNECTIONS // 2)]
        streams = [connection.open_stream() for connection in stuck for _ in range(2)]
        for connection, stream in zip([c for c in stuck for _ in range(2)], streams, strict=True):
            connection.send_data(stream, message[:-1])
        waiting = other.open_stream()
        other.send_data(waiting, message, end_stream=True)
        assert other.answer(waiting).status == 0
        assert stuck[0].answer(streams[0]).status == RESOURCE_EXHAUSTED
        assert "for 1 s" in stuck[0].answer_so_far(streams[0]).text
        for connection in stuck:
            connection.close()


def test_memory_returns_after_large_messages(server: ServerProcess) -> None:
    """What a burst of large messages took is given back, or used again by the next: the second
    burst does not add to the first."""
    message = large_page(LARGE)
    with RawConnection(server.port) as sender:
        for _ in range(2):
            assert sender.call(message).status == 0
        server.forget_peak()
        before = server.resident_mib
        for _ in range(4):
            assert sender.call(message).status == 0
        assert server.peak_mib - before < 2 * LARGE / MIB
        assert sender.call(page()).status == 0
