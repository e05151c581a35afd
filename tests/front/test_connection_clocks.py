"""The clocks of a connection: whether its peer is still there, and how old it may become."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator

import grpc
import pytest

from tests.front.call_bytes import RERANK, call_headers, page
from tests.front.frames import Kind, frame, framed
from tests.front.raw_connection import RawConnection
from tests.front.server_process import ServerProcess
from tests.server.stand_in import StandIn

SERVER_OPTIONS = ("--keepalive-s", 1, "--keepalive-timeout-s", 1)
HIGHEST_STREAM = (1 << 31) - 1
HELD_S = 0.01  # of answers, before the word that a connection ends
STEADY_S = float(os.environ.get("GERANK_FRONT_AGEING_S", "8"))
STEADY_CALLERS = 4


@pytest.fixture
def ageing(model: StandIn) -> Iterator[ServerProcess]:
    """A server whose connections grow one second old."""
    with ServerProcess(model.path, ("--max-connection-age-s", 1)) as server:
        yield server


def _read_until_hung_up(silent: RawConnection, timeout_s: float) -> bytes:
    """What a peer gets that answers nothing."""
    came = b""
    silent.socket.settimeout(timeout_s)
    while more := silent.socket.recv(1 << 16):
        came += more
    return came


def test_a_peer_that_answers_no_ping_is_hung_up_on(server: ServerProcess) -> None:
    """RFC 9113, 6.7: PING tells whether an idle connection still works. A peer that was silent for
    --keepalive-s gets one, and is hung up on after --keepalive-timeout-s, its descriptor freed."""
    before = server.descriptors
    began = time.monotonic()
    with RawConnection(server.port) as silent:
        came = _read_until_hung_up(silent, timeout_s=6)
        assert time.monotonic() - began >= 2
        assert frame(Kind.PING, 0, 0, bytes(8)) in came
        server.await_descriptors(before)


def test_a_peer_that_answers_its_pings_is_kept(connection: RawConnection) -> None:
    """6.7, for a peer that has nothing to say but its answers."""
    connection.read_for(4)
    assert not connection.closed
    assert connection.call(page()).status == 0


def test_a_call_right_behind_the_answer_to_a_ping_is_served(
    ageing: ServerProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6.8: after a round trip time an endpoint sends the GOAWAY that ends. A client may write its
    answer to the PING that measures it before calls that it began until it read the first GOAWAY
    (grpcio does): these are served."""
    with RawConnection(ageing.port) as old:
        old.read_until(lambda: old.goaway is not None)
        written = bytearray()
        monkeypatch.setattr(old, "send", written.extend)
        old.read_for(0.1)  # and answer the PING behind the GOAWAY
        stream = old.send_call(page())
        monkeypatch.undo()
        old.send(bytes(written))
        assert old.answer(stream).status == 0


def test_an_old_connection_ends_in_good_order(ageing: ServerProcess) -> None:
    """6.8: a connection of --max-connection-age-s is told GOAWAY with the highest stream
    identifier, then with the last that is served; a call that came before is answered, and the
    server hangs up. Another connection is served."""
    with RawConnection(ageing.port) as old:
        stream = old.open_stream(call_headers())
        old.read_until(lambda: old.goaway is not None)
        assert old.goaway == (HIGHEST_STREAM, 0)
        assert old.call(page()).status == 0  # it had not heard yet
        old.read_until(lambda: old.goaway == (stream + 2, 0))
        old.send_data(stream, framed(page()), end_stream=True)
        old.read_until_closed()
        assert old.answer_so_far(stream).status == 0
    with RawConnection(ageing.port) as new:
        assert new.call(page()).status == 0


def test_a_caller_waits_for_an_answer_when_it_hears_that_its_connection_ends(
    ageing: ServerProcess,
) -> None:
    """6.8: new streams that a client begins after GOAWAY are lost. Answers are held back for a
    moment before it, so that a caller in a loop has a call open when it comes, and begins none
    just then. A connection counts where this machine let the caller run in a loop: where its last
    call began right behind the one before."""
    waited: list[float] = []
    for _ in range(20):
        with RawConnection(ageing.port) as old:
            began = [time.monotonic()]
            while old.goaway is None:
                began.append(time.monotonic())
                assert old.call(page()).status == 0
            if began[-1] - began[-2] < HELD_S / 2:
                waited.append(time.monotonic() - began[-1])
        if len(waited) == 3:
            break
    assert len(waited) == 3 and min(waited) > HELD_S / 2, waited


@pytest.mark.timeout(60 + STEADY_S)
def test_no_call_is_lost_when_connections_end_by_age(ageing: ServerProcess) -> None:
    """The same for clients of grpcio without retries, each on a connection of its own that ends
    about every second (for GERANK_FRONT_AGEING_S seconds, 8 by default)."""
    outcomes: Counter[str] = Counter()
    end = time.monotonic() + STEADY_S

    def call_steadily() -> None:
        with ageing.own_channel(grpc__enable_retries=0) as channel:
            rerank = channel.unary_unary(RERANK)
            while time.monotonic() < end:
                try:
                    rerank(page(), timeout=10)
                    outcomes["answered"] += 1
                except grpc.RpcError as error:
                    outcomes[f"{error.code().name}: {error.details()}"] += 1

    callers = [threading.Thread(target=call_steadily) for _ in range(STEADY_CALLERS)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert set(outcomes) == {"answered"}, outcomes
