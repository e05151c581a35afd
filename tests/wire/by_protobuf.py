"""A serialized request as protobuf's own parser for Python reads it: what csrc/wire is held to."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import DecodeError, Message

from gerank._engine import Engine, Query, StatusError
from gerank.data.relaxed import rule_names
from gerank.data.request import RequestError
from gerank.proto import rerank_pb2 as pb

_GREEDY = {pb.MODE_UNSPECIFIED: None, pb.MODE_GREEDY: True, pb.MODE_SAMPLE: False}
_TYPES = {"float32_le": "f4", "floats": "f4", "int64_le": "i8", "ints": "i8"}
_RULES = {"spacing": pb.RULE_SPACING, "quotas": pb.RULE_QUOTAS}

Refusal = tuple[str, str]
"""The field, and the whole text; of a refusal that is not INVALID_ARGUMENT, its code and text."""


def outcome_of_message(engine: Engine, payload: bytes) -> pb.RerankResponse | Refusal:
    """The answer to the queries of the message, without its times, or why there is none."""
    try:
        return _answer(engine, pb.RerankRequest.FromString(payload))
    except DecodeError:
        rule = "must be a gerank.v1.RerankRequest"
        return _refusal(RequestError("request", f"{len(payload)} other bytes", rule))
    except (RequestError, StatusError) as error:
        return _refusal(error)


def outcome_of_bytes(engine: Engine, payload: bytes) -> pb.RerankResponse | Refusal:
    """The same, where csrc/wire reads and writes the bytes."""
    try:
        response = pb.RerankResponse.FromString(engine.serve(payload).rank())
    except StatusError as error:
        return _refusal(error)
    response.ClearField("timing")
    return response


def _refusal(error: RequestError | StatusError) -> Refusal:
    return error.field or getattr(error, "code", ""), str(error)


def _answer(engine: Engine, message: pb.RerankRequest) -> pb.RerankResponse:
    if not 1 <= len(message.queries) <= 256:
        raise RequestError("queries", len(message.queries), "must be 1 to 256")
    queries = []
    for index, query in enumerate(message.queries):
        try:
            queries.append(_query(query))
        except RequestError as error:
            raise error.within(f"queries[{index}]") from error
    call = engine.call(queries, model=message.model, version=message.version)
    slates, version, _ = call.rank()
    pairs = zip(message.queries, slates, strict=True)
    return pb.RerankResponse(slates=[_slate(query, slate, version) for query, slate in pairs])


def _query(message: pb.Query) -> Query:
    weights = sorted(message.weights.items(), key=lambda entry: entry[0].encode())
    return Query(
        candidate_count=message.candidate_count,
        user_features=_blocks("user_features", message.user_features),
        candidate_features=_blocks("candidate_features", message.candidate_features),
        candidate_ids=message.candidate_ids,
        preset=message.preset or None,
        slots=message.slots or None,
        pins=[(pin.slot, pin.candidate) for pin in message.pins],
        dedup_keys=_dedup_keys("dedup_keys", message),
        above=_above(message),
        spacing=[(rule.group, rule.window, rule.cap) for rule in message.spacing],
        quotas=[
            (rule.flag, rule.min, rule.max if rule.HasField("max") else None)
            for rule in message.quotas
        ],
        weights=dict(weights),
        seed=message.seed if message.HasField("seed") else None,
        greedy=_greedy(message.mode),
        temperature=message.temperature if message.HasField("temperature") else None,
    )


def _blocks(field: str, blocks: Iterable[pb.FeatureBlock]) -> list[tuple[Any, str, Any]]:
    read = []
    for index, block in enumerate(blocks):
        path = f"{field}[{index}]"
        if not block.names:
            raise RequestError(f"{path}.names", [], "must name at least one feature")
        given, values = _values(path, block, ("float32_le", "int64_le", "floats", "ints"))
        read.append((list(block.names), _TYPES[given], values))
    return read


def _above(message: pb.Query) -> tuple[Any, Any, Any] | None:
    if not message.HasField("above"):
        return None
    above = message.above
    blocks = _blocks("above.features", above.features)
    return above.count, blocks, _dedup_keys("above.dedup_keys", above)


def _dedup_keys(path: str, message: pb.Query | pb.Above) -> tuple[Any, Any] | None:
    if not message.HasField("dedup_keys"):
        return None
    _, keys = _values(path, message.dedup_keys, ("int64_le", "ints"))
    present = message.dedup_keys.present
    return keys, np.array(present, bool) if present else None


def _values(path: str, message: Message, fields: Sequence[str]) -> tuple[str, Any]:
    given = [field for field in fields if len(getattr(message, field))]
    if len(given) != 1:
        raise RequestError(path, given, f"must have exactly one of {', '.join(fields)}")
    values, dtype = getattr(message, given[0]), np.dtype(f"<{_TYPES[given[0]]}")
    if not isinstance(values, bytes):
        return given[0], np.array(values, dtype)
    if len(values) % dtype.itemsize:
        rule = f"must be whole numbers of {dtype.itemsize} bytes each"
        raise RequestError(f"{path}.{given[0]}", f"{len(values)} bytes", rule)
    return given[0], values


def _greedy(mode: pb.Mode) -> bool | None:
    if mode not in _GREEDY:
        raise RequestError("mode", mode, f"must be one of {pb.Mode.keys()}")
    return _GREEDY[mode]


def _slate(query: pb.Query, slate: tuple[Any, ...], model_version: str) -> pb.Slate:
    slots, candidates, log_prob, relaxed, seed, unmet = slate
    names = query.candidate_ids
    return pb.Slate(
        id=query.id,
        slots=slots,
        candidates=candidates,
        candidate_ids=[names[index] if names else str(index) for index in candidates],
        log_prob=log_prob,
        relaxed=[
            pb.RelaxedSlot(slot=slot, rules=[_RULES[name] for name in rule_names(bits)])
            for slot, bits in zip(slots, relaxed, strict=True)
            if bits
        ],
        seed=seed,
        model_version=model_version,
        unmet=[
            pb.UnmetRule(rule=rule, name=name, wanted=wanted, got=got, slots=which)
            for rule, name, wanted, got, which in unmet
        ],
    )
