"""Requests that went wrong on their way: bytes flipped, lost, repeated, cut, replaced."""

from __future__ import annotations

import random
from collections.abc import Callable

from gerank.proto import rerank_pb2 as pb

Mutation = Callable[[random.Random, bytearray], None]


def _flip(rng: random.Random, payload: bytearray) -> None:
    for _ in range(rng.randint(1, 4)):
        payload[rng.randrange(len(payload))] = rng.randrange(256)


def _cut(rng: random.Random, payload: bytearray) -> None:
    del payload[rng.randrange(len(payload)) :]


def _lose(rng: random.Random, payload: bytearray) -> None:
    start = rng.randrange(len(payload))
    del payload[start : start + rng.randint(1, 40)]


def _repeat(rng: random.Random, payload: bytearray) -> None:
    start = rng.randrange(len(payload))
    piece = payload[start : start + rng.randint(1, 200)]
    place = rng.randrange(len(payload))
    payload[place:place] = piece


def _append(rng: random.Random, payload: bytearray) -> None:
    payload += rng.randbytes(rng.randint(1, 60))


def _replace(rng: random.Random, payload: bytearray) -> None:
    payload[:] = rng.randbytes(rng.randint(0, 400))


MUTATIONS: tuple[Mutation, ...] = (_flip, _flip, _flip, _cut, _lose, _repeat, _append, _replace)


def mutated(rng: random.Random, whole: bytes) -> bytes:
    """One request, spoiled in one way or two; some stay valid."""
    payload = bytearray(whole)
    for _ in range(rng.randint(1, 2)):
        if payload:
            rng.choice(MUTATIONS)(rng, payload)
    return bytes(payload)


def spoiled(rng: random.Random, query: pb.Query) -> pb.Query:
    """A query that parses, with one number of its fields changed to an extreme one."""
    copy = pb.Query.FromString(query.SerializeToString())
    extreme = rng.choice([-(2**31), -1, 0, 1, 2**15, 2**31 - 1])
    target = rng.choice(["candidate_count", "slots", "pin", "window", "min", "seed", "values"])
    if target in ("candidate_count", "slots"):
        setattr(copy, target, extreme)
    elif target == "pin":
        copy.pins.add(slot=extreme, candidate=rng.choice([extreme, 0]))
    elif target == "window":
        copy.spacing[0].window, copy.spacing[0].cap = extreme, rng.choice([extreme, 1])
    elif target == "min":
        copy.quotas[0].min = extreme
    elif target == "seed":
        copy.temperature = rng.choice([0.0, -1.0, 1e-300, 1e300, float("nan"), float("inf")])
        copy.preset = rng.choice(["", "calm", "\0", "x" * 10_000])
    else:
        block = rng.choice([*copy.user_features, *copy.candidate_features])
        size = len(block.float32_le) or len(block.int64_le)
        field = "float32_le" if block.float32_le else "int64_le"
        setattr(block, field, rng.randbytes(rng.choice([size, size, size - 1, 2 * size])))
    return copy
