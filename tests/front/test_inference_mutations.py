"""Mutated ModelInferRequests are answered or refused, and the server lives."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Iterator
from functools import cache

import grpc
import pytest

from tests.front.inference_messages import SERVICE, ask, message
from tests.front.inference_tensors import output, request_of, slates_of, two_pages
from tests.front.server_process import ServerProcess
from tests.server.mutations import mutated

REQUESTS = int(os.environ.get("GERANK_FUZZ_REQUESTS", "1500"))
CLEAN = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND)
INFER = f"/{SERVICE}/ModelInfer"


@pytest.fixture
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with server.own_channel() as opened:
        yield opened


@pytest.mark.timeout(60 + REQUESTS // 50)
def test_mutated_requests_are_answered_or_refused_cleanly(channel: grpc.Channel, seed: int) -> None:
    rng = random.Random(seed)
    infer = channel.unary_unary(INFER)
    codes: Counter[str] = Counter()
    for first in range(0, REQUESTS, 50):
        batch = [_spoiled(rng) for _ in range(first, min(first + 50, REQUESTS))]
        for sent in [infer.future(payload, timeout=60) for payload in batch]:
            error = sent.exception(timeout=60)
            codes[error.code().name if error else "OK"] += 1
            assert error is None or (error.code() in CLEAN and error.details()), error
    assert sum(codes.values()) == REQUESTS
    assert min(codes["OK"], codes["INVALID_ARGUMENT"]) > REQUESTS // 50, codes
    answer = ask(channel, "ModelInfer")(request_of(two_pages()), timeout=20)
    assert len(slates_of(lambda name: output(answer, name))) == 2


def _spoiled(rng: random.Random) -> bytes:
    """A request whose bytes are mutated, or the elements of one of its tensors."""
    if rng.random() < 0.7:
        return mutated(rng, _whole(rng.random() < 0.5))
    request = message("ModelInferRequest").FromString(_whole(True))
    place = rng.randrange(len(request.raw_input_contents))
    elements = bytearray(request.raw_input_contents[place])
    elements[rng.randrange(len(elements))] = rng.randrange(256)
    request.raw_input_contents[place] = bytes(elements)
    return bytes(request.SerializeToString())


@cache
def _whole(raw: bool) -> bytes:
    return bytes(request_of(two_pages(), raw=raw).SerializeToString())
