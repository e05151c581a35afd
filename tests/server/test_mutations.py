"""The server answers every mutated message with a clean status and serves on.

`GERANK_FUZZ_REQUESTS=100000` (`make fuzz`) sends that many instead of a few.
"""

from __future__ import annotations

import os
import random
import socket
import struct
from collections import Counter, deque

import grpc
import pytest

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from gerank_server import RerankServer
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.mutations import mutated, spoiled

REQUESTS = int(os.environ.get("GERANK_FUZZ_REQUESTS", "1500"))
IN_FLIGHT = 64
# A mutation can also name a model, which then is not there.
CLEAN = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
METHOD = "/gerank.v1.RerankService/Rerank"


def _query() -> pb.Query:
    return query_from_request(parse_request(valid_document(), CONTRACT))


def _draw(rng: random.Random, whole: bytes) -> bytes:
    if rng.random() < 0.3:
        return pb.RerankRequest(queries=[_query(), spoiled(rng, _query())]).SerializeToString()
    return mutated(rng, whole)


def _check(call: grpc.Future) -> str:
    """The code with which a call ended; an answer must be one, a refusal must say what is wrong."""
    error = call.exception(timeout=60)
    if error is None:
        assert pb.RerankResponse.FromString(call.result()).slates
        return "OK"
    assert error.code() in CLEAN, error
    assert error.details()
    return str(error.code().name)


@pytest.mark.timeout(60 + REQUESTS // 50)
def test_mutated_requests_get_an_answer_or_a_clean_refusal(
    server: RerankServer, channel: grpc.Channel, seed: int
) -> None:
    rng = random.Random(seed)
    whole = pb.RerankRequest(queries=[_query()] * 2).SerializeToString()
    rerank = channel.unary_unary(METHOD)
    codes: Counter[str] = Counter()
    open_calls: deque[grpc.Future] = deque()
    for _ in range(REQUESTS):
        open_calls.append(rerank.future(_draw(rng, whole), timeout=60))
        if len(open_calls) == IN_FLIGHT:
            codes[_check(open_calls.popleft())] += 1
    codes.update(map(_check, open_calls))
    assert len(pb.RerankResponse.FromString(rerank(whole, timeout=20)).slates) == 2
    assert sum(codes.values()) == REQUESTS
    assert min(codes["OK"], codes["INVALID_ARGUMENT"]) > REQUESTS // 50, codes


def test_connections_that_break_off_harm_nobody(
    server: RerankServer, channel: grpc.Channel, seed: int
) -> None:
    rng = random.Random(seed)
    for _ in range(60):
        with socket.create_connection(("127.0.0.1", server.port), timeout=10) as connection:
            connection.sendall(_half_call(rng))
            if rng.random() < 0.5:  # a reset in place of a goodbye
                linger = struct.pack("ii", 1, 0)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    whole = pb.RerankRequest(queries=[_query()]).SerializeToString()
    assert len(pb.RerankResponse.FromString(channel.unary_unary(METHOD)(whole, timeout=20)).slates)


def _half_call(rng: random.Random) -> bytes:
    """Garbage, or an HTTP/2 connection whose rest is missing or garbage."""
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes([0, 0, 0, 4, 0, 0, 0, 0, 0])
    return rng.choice(
        [
            b"",
            rng.randbytes(rng.randint(1, 2000)),
            b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
            preface[: rng.randrange(len(preface))],
            preface,
            preface + rng.randbytes(rng.randint(1, 500)),
        ]
    )
