"""The deadline of a call: `grpc-timeout`, eight digits at most and a unit."""

from __future__ import annotations

import time

import pytest

from tests.front.call_bytes import RERANK, call_headers, page
from tests.front.frames import ErrorCode, framed
from tests.front.raw_connection import RawConnection
from tests.server.stand_in import StandIn

OK, DEADLINE_EXCEEDED = 0, 4


def _with(timeout: str) -> list[tuple[str, str]]:
    return call_headers(RERANK, ("grpc-timeout", timeout))


@pytest.mark.parametrize("timeout", ["1H", "10M", "30S", "20000m", "20000000u", "99999999n"])
def test_every_unit_is_read(connection: RawConnection, timeout: str) -> None:
    """TimeoutUnit -> Hour / Minute / Second / Millisecond / Microsecond / Nanosecond. The last is a
    tenth of a second: enough for a call of a free server, most of the time."""
    answers = [connection.call(page(), headers=_with(timeout)) for _ in range(3)]
    assert OK in [answer.status for answer in answers]


def test_the_longest_timeout_is_no_overflow(connection: RawConnection) -> None:
    """TimeoutValue -> {positive integer as ASCII string of at most 8 digits}: 99999999 hours
    too."""
    assert connection.call(page(), headers=_with("99999999H")).status == OK


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("1S", 1.0), ("400m", 0.4), ("400000u", 0.4), ("00000001S", 1.0)]
)
def test_the_deadline_is_the_timeout(
    connection: RawConnection, model: StandIn, timeout: str, seconds: float
) -> None:
    """Timeout: the call ends with DEADLINE_EXCEEDED (or the reset that a server sends beside it)
    when so much time has passed, in its own unit."""
    model.reset()
    model.hold()
    busy = connection.send_call(page())
    model.await_forwards(1)  # the only worker is at work
    began = time.monotonic()
    waiting = connection.send_call(page(), headers=_with(timeout))
    answer = connection.answer(waiting)
    took = time.monotonic() - began
    model.release()
    assert answer.status == DEADLINE_EXCEEDED or answer.reset == ErrorCode.CANCEL, answer
    assert seconds * 0.9 <= took < seconds + 2
    assert connection.answer(busy).status == OK


@pytest.mark.parametrize("timeout", ["1n", "1u", "0m", "0S"])
def test_a_timeout_that_has_passed_is_deadline_exceeded(
    connection: RawConnection, timeout: str
) -> None:
    """A call whose deadline has passed before its message was read is not worth an answer."""
    stream = connection.open_stream(_with(timeout))
    time.sleep(0.05)
    connection.send_data(stream, framed(page()), end_stream=True)
    answer = connection.answer(stream)
    assert answer.status == DEADLINE_EXCEEDED or answer.reset == ErrorCode.CANCEL, answer


def test_the_deadline_holds_for_a_call_whose_message_does_not_come(
    connection: RawConnection,
) -> None:
    """The timeout runs from the Request-Headers on: half a call does not stay for ever."""
    stream = connection.open_stream(_with("300m"))
    answer = connection.answer(stream)
    assert answer.status == DEADLINE_EXCEEDED or answer.reset == ErrorCode.CANCEL, answer


@pytest.mark.parametrize(
    "timeout",
    ["", "S", "10", "10s", "10X", "-1S", "1.5S", "+1S", "0x1S", "1 0S", "1Sx", "1234567890S"],
)
def test_a_malformed_timeout_harms_its_own_call_alone(
    connection: RawConnection, timeout: str
) -> None:
    """Timeout -> "grpc-timeout" TimeoutValue TimeoutUnit. The page does not say what a malformed
    one gets; servers of gRPC ignore it or refuse the call. It is never read as an expired
    deadline."""
    answer = connection.call(page(), headers=_with(timeout))
    assert answer.over and answer.status != DEADLINE_EXCEEDED, answer
    assert connection.call(page()).status == OK
