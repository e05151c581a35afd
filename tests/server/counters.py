"""The counters of a running server, and waiting until they are as a test needs them."""

from __future__ import annotations

import time

import grpc

from gerank.proto import rerank_pb2 as pb
from gerank_server.servicer import SERVICE


def statistics_of(channel: grpc.Channel) -> pb.StatisticsResponse:
    answer = channel.unary_unary(f"/{SERVICE}/Statistics")(b"", timeout=10)
    return pb.StatisticsResponse.FromString(answer)


def await_statistics(channel: grpc.Channel, **counts: int) -> None:
    """Returns when the server's counters are these; they follow an answer by a moment."""
    end = time.monotonic() + 10
    while True:
        statistics = statistics_of(channel)
        found = {name: getattr(statistics, name) for name in counts}
        if found == counts:
            return
        assert time.monotonic() < end, f"{found}, not {counts}"
        time.sleep(0.002)


def await_ended(channel: grpc.Channel, count: int) -> None:
    """Returns when so many calls ended in the queue. A caller whose deadline passes hangs up too:
    the server may see either first."""
    end = time.monotonic() + 10
    while (found := statistics_of(channel)).expired + found.cancelled != count:
        assert time.monotonic() < end, f"{found.expired} expired, {found.cancelled} cancelled"
        time.sleep(0.002)
