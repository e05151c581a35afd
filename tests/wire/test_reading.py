"""csrc/wire reads and refuses bytes as protobuf does, and answers as the engine is asked directly.

`GERANK_FUZZ_REQUESTS=100000` (`make fuzz`) compares that many requests instead of some.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from google.protobuf.unknown_fields import UnknownFieldSet

from gerank.data.request_check import parse_request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request
from tests.data.above_cases import feed_document
from tests.data.bad_requests import valid_document
from tests.data.request_cases import CONTRACT
from tests.server.mutations import mutated, spoiled
from tests.wire.by_protobuf import outcome_of_bytes, outcome_of_message
from tests.wire.looking_engine import LookingEngine
from tests.wire.wire_bytes import delimited, drawn, rewritten, tag, varint

REQUESTS = int(os.environ.get("GERANK_FUZZ_REQUESTS", "1500"))
_GROUP, _END_GROUP = 3, 4


pytestmark = pytest.mark.timeout(120 + REQUESTS // 20)


@pytest.fixture(scope="module")
def engine() -> Iterator[LookingEngine]:
    with LookingEngine() as running:
        yield running


def valid_query(rng: random.Random) -> pb.Query:
    """A query with a seed, so that none is drawn; its numbers as bytes."""
    document = feed_document(np.random.default_rng(rng.randrange(2**31)), CONTRACT)
    return query_from_request(parse_request(document, CONTRACT))


def with_repeated_numbers(query: pb.Query) -> pb.Query:
    """The same query, its features in the other form."""
    for block in (*query.user_features, *query.candidate_features, *query.above.features):
        if block.float32_le:
            block.floats.extend(np.frombuffer(block.float32_le, "<f4").tolist())
            block.ClearField("float32_le")
        else:
            block.ints.extend(np.frombuffer(block.int64_le, "<i8").tolist())
            block.ClearField("int64_le")
    return query


def either_form(rng: random.Random) -> pb.Query:
    """A valid query in one of its two forms."""
    query = valid_query(rng)
    return query if rng.random() < 0.5 else with_repeated_numbers(query)


def same_outcome(engine: LookingEngine, payload: bytes) -> bool:
    """Compares both ways to read a request; returns whether it was answered."""
    if _has_odd_entries(payload):
        return False
    engine.batch = {}
    expected = outcome_of_message(engine.native, payload)
    seen = engine.batch
    engine.batch = {}
    outcome = outcome_of_bytes(engine.native, payload)
    if isinstance(expected, pb.RerankResponse) and isinstance(outcome, pb.RerankResponse):
        _forget_drawn_seeds(payload, expected, outcome)
        seen.pop("seeds")
        engine.batch.pop("seeds")
    assert outcome == expected, payload.hex()
    assert seen.keys() == engine.batch.keys()
    for name, array in seen.items():
        assert np.array_equal(array, engine.batch[name]), (name, payload.hex())
    return isinstance(outcome, pb.RerankResponse)


def _has_odd_entries(payload: bytes) -> bool:
    """Whether a map has an entry with a field that it does not know.

    Protobuf's parsers differ there: Python's keeps such an entry with the unknown fields of the
    query, the one in C++, as csrc/wire, reads what it knows of it.
    """
    try:
        queries = pb.RerankRequest.FromString(payload).queries
    except DecodeError:
        return False
    weights = pb.Query.DESCRIPTOR.fields_by_name["weights"].number
    return any(field.field_number == weights for q in queries for field in UnknownFieldSet(q))


def _forget_drawn_seeds(payload: bytes, *responses: pb.RerankResponse) -> None:
    for index, query in enumerate(pb.RerankRequest.FromString(payload).queries):
        if query.mode == pb.MODE_SAMPLE and not query.HasField("seed"):
            for response in responses:
                response.slates[index].seed = 0


def test_a_message_means_the_same_in_whatever_bytes(engine: LookingEngine, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(REQUESTS // 10):
        request = pb.RerankRequest(queries=[either_form(rng) for _ in range(rng.randint(1, 3))])
        payload = rewritten(rng, request)
        assert same_outcome(engine, payload)
        answer = outcome_of_bytes(engine.native, payload)
        assert answer == outcome_of_bytes(engine.native, request.SerializeToString())


def test_mutated_messages_are_read_or_refused_alike(engine: LookingEngine, seed: int) -> None:
    rng = random.Random(seed)
    answered = 0
    for _ in range(REQUESTS):
        query = either_form(rng)
        if rng.random() < 0.2:
            usual = query_from_request(parse_request(valid_document(), CONTRACT))
            query = spoiled(rng, usual)
        payload = pb.RerankRequest(queries=[query]).SerializeToString()
        answered += same_outcome(engine, mutated(rng, payload))
    assert REQUESTS // 100 < answered < REQUESTS


def test_messages_of_drawn_fields_are_read_or_refused_alike(
    engine: LookingEngine, seed: int
) -> None:
    rng = random.Random(seed)
    parsed = 0
    for _ in range(REQUESTS):
        valid = pb.RerankRequest(queries=[either_form(rng)]).SerializeToString()
        extra = drawn(rng, pb.RerankRequest.DESCRIPTOR)
        payload = rng.choice([extra, valid + extra, valid + delimited(1, extra)])
        same_outcome(engine, payload)
        parsed += "other bytes" not in str(outcome_of_bytes(engine.native, payload))
    assert REQUESTS // 20 < parsed < REQUESTS


def _groups(count: int) -> bytes:
    return tag(99, _GROUP) * count + tag(99, _END_GROUP) * count


ODD_FIELDS: dict[str, bytes] = {
    "field 0": b"\x02\x00",
    "no tag": b"\x00",
    "wire type 6": b"\x0e",
    "wire type 7": b"\x0f",
    "a tag of five bytes": tag(16, 0, 5) + b"\x01",
    "a tag of six bytes": tag(16, 0, 6) + b"\x01",
    "a tag above 32 bits": varint(2**32 + (16 << 3)) + b"\x01",
    "the highest field": tag(2**29 - 1, 0) + b"\x01",
    "a varint of ten bytes": tag(16, 0) + varint(1, 10),
    "a varint of eleven bytes": tag(16, 0) + varint(1, 11),
    "a varint beyond 64 bits": tag(16, 0) + b"\xff" * 9 + b"\x7f",
    "a varint without an end": tag(16, 0) + b"\xff",
    "a length of ten bytes": tag(16, 2) + varint(1, 10) + b"x",
    "a length beyond the end": tag(16, 2) + varint(9) + b"x",
    "a length of 2 GiB": tag(16, 2) + varint(2**31) + b"x",
    "a length of 64 bits": tag(16, 2) + varint(2**64 - 1) + b"x",
    "four bytes cut": tag(16, 5) + b"xxx",
    "eight bytes cut": tag(16, 1) + b"xxxxxxx",
    "an empty group": _groups(1),
    "a group without an end": tag(99, _GROUP),
    "the end of a group alone": tag(99, _END_GROUP),
    "a group that another field ends": tag(99, _GROUP) + tag(98, _END_GROUP),
    "a group of its own kind without an end": tag(99, _GROUP) * 2 + tag(99, _END_GROUP),
    "97 groups in each other": _groups(97),
    "98 groups in each other": _groups(98),
    "99 groups in each other": _groups(99),
    "100 groups in each other": _groups(100),
    "101 groups in each other": _groups(101),
    "groups one after the other": _groups(1) * 200,
}
PLACES: dict[str, Callable[[bytes], bytes]] = {
    "request": lambda odd: odd,
    "query": lambda odd: delimited(1, odd),
    "block": lambda odd: delimited(1, delimited(4, odd)),
    "pin": lambda odd: delimited(1, delimited(7, odd)),
    "weight": lambda odd: delimited(1, delimited(11, odd)),
}
TEXTS: dict[str, bytes] = {
    "two bytes for one": b"\xc1\xbf",
    "three bytes for two": b"\xe0\x9f\xbf",
    "four bytes for three": b"\xf0\x8f\xbf\xbf",
    "the last before the surrogates": b"\xed\x9f\xbf",
    "a surrogate": b"\xed\xa0\x80",
    "the first after the surrogates": b"\xee\x80\x80",
    "the last character": b"\xf4\x8f\xbf\xbf",
    "beyond the last character": b"\xf4\x90\x80\x80",
    "a byte that never is": b"\xf5\x80\x80\x80",
    "no beginning": b"\x80",
    "no end": b"12345678\xf0\x9f\x98",
    "a fault behind eight letters": b"12345678\xff12345678",
    "characters between letters": "12345678 € 12345678 𝄞".encode(),
}
TEXT_FIELDS: dict[str, Callable[[bytes], bytes]] = {
    "model": lambda text: delimited(2, text),
    "version": lambda text: delimited(3, text),
    "id": lambda text: delimited(1, delimited(1, text)),
    "name": lambda text: delimited(1, delimited(3, delimited(1, text))),
    "candidate_ids": lambda text: delimited(1, delimited(5, text)),
    "group": lambda text: delimited(1, delimited(9, delimited(1, text))),
    "flag": lambda text: delimited(1, delimited(10, delimited(1, text))),
    "utility": lambda text: delimited(1, delimited(11, delimited(1, text))),
    "preset": lambda text: delimited(1, delimited(15, text)),
    "bytes": lambda text: delimited(1, delimited(3, delimited(2, text))),
    "unknown": lambda text: delimited(99, text),
    "packed floats": lambda text: delimited(1, delimited(3, delimited(4, text))),
    "packed ints": lambda text: delimited(1, delimited(3, delimited(5, text))),
    "packed truths": lambda text: delimited(1, delimited(8, delimited(3, text))),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("case", ODD_FIELDS)
def test_an_odd_field_is_skipped_or_refused_alike(
    engine: LookingEngine, seed: int, place: str, case: str
) -> None:
    valid = pb.RerankRequest(queries=[valid_query(random.Random(seed))]).SerializeToString()
    odd = PLACES[place](ODD_FIELDS[case])
    same_outcome(engine, valid + odd)
    same_outcome(engine, odd + valid)


@pytest.mark.parametrize("field", TEXT_FIELDS)
@pytest.mark.parametrize("case", TEXTS)
def test_a_text_is_valid_unicode_or_refused_alike(
    engine: LookingEngine, seed: int, field: str, case: str
) -> None:
    valid = pb.RerankRequest(queries=[valid_query(random.Random(seed))]).SerializeToString()
    same_outcome(engine, valid + TEXT_FIELDS[field](TEXTS[case]))


def test_every_pair_of_texts_that_could_be_unicode_is_told_alike(engine: LookingEngine) -> None:
    for first in range(0x80, 0x100):
        for second in (0x7F, 0x80, 0x8F, 0x90, 0x9F, 0xA0, 0xBF, 0xC0):
            for tail in (b"", b"\x80", b"\x80\x80", b"\x80\xc0"):
                same_outcome(engine, delimited(2, bytes([first, second]) + tail))
