"""Messages as what the engine takes and gives, both ways; server/native has the same in C++."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from google.protobuf.message import Message

from gerank._engine import Query
from gerank.data.relaxed import rule_names
from gerank.data.request import RequestError
from gerank.proto import rerank_pb2 as pb

_GREEDY = {pb.MODE_UNSPECIFIED: None, pb.MODE_GREEDY: True, pb.MODE_SAMPLE: False}
_TYPES = {"float32_le": "f4", "floats": "f4", "int64_le": "i8", "ints": "i8"}
_RULES = {"spacing": pb.RULE_SPACING, "quotas": pb.RULE_QUOTAS}
Answer = tuple[Sequence[tuple[Any, ...]], str, tuple[int, int, int]]


def query_of_message(index: int, message: pb.Query) -> Query:
    """The engine's view of one query; what it says is the engine's to check, how it says it ours.

    Raises:
        RequestError: The message contradicts itself.
    """
    try:
        return Query(
            candidate_count=message.candidate_count,
            user_features=_blocks("user_features", message.user_features),
            candidate_features=_blocks("candidate_features", message.candidate_features),
            candidate_ids=message.candidate_ids,
            preset=message.preset or None,
            slots=message.slots or None,
            pins=[(pin.slot, pin.candidate) for pin in message.pins],
            dedup_keys=_dedup_keys(message),
            spacing=[(rule.group, rule.window, rule.cap) for rule in message.spacing],
            quotas=[
                (rule.flag, rule.min, rule.max if rule.HasField("max") else None)
                for rule in message.quotas
            ],
            weights=dict(message.weights),
            seed=message.seed if message.HasField("seed") else None,
            greedy=_greedy(message.mode),
            temperature=message.temperature if message.HasField("temperature") else None,
        )
    except RequestError as error:
        raise error.within(f"queries[{index}]") from error


def response_of_answer(request: pb.RerankRequest, answer: Answer) -> pb.RerankResponse:
    """The message that tells the engine's answer to `request`."""
    slates, model_version, (queue_us, batch_us, model_us) = answer
    return pb.RerankResponse(
        slates=[
            _slate_message(query, slate, model_version)
            for query, slate in zip(request.queries, slates, strict=True)
        ],
        timing=pb.Timing(queue_us=queue_us, batch_us=batch_us, model_us=model_us),
    )


def statistics_of_counts(counts: Mapping[str, Any]) -> pb.StatisticsResponse:
    """The message that tells an engine's counters."""
    fields: dict[str, Any] = {
        name: pb.Histogram(**value) if isinstance(value, dict) else value
        for name, value in counts.items()
    }
    return pb.StatisticsResponse(**fields)


def _slate_message(query: pb.Query, slate: tuple[Any, ...], model_version: str) -> pb.Slate:
    slots, candidates, log_prob, relaxed, seed = slate
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


def _dedup_keys(message: pb.Query) -> tuple[Any, Any] | None:
    if not message.HasField("dedup_keys"):
        return None
    _, keys = _values("dedup_keys", message.dedup_keys, ("int64_le", "ints"))
    present = message.dedup_keys.present
    return keys, np.array(present, bool) if present else None


def _values(path: str, message: Message, fields: Sequence[str]) -> tuple[str, Any]:
    """The one field that holds numbers, and these, as bytes or as an array."""
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
