"""A `Request` as a `Query` message, both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.contract import RequestContract
from gerank.data.request import Pin, Quota, Request, RequestError, Spacing
from gerank.data.request_check import check_candidate_count
from gerank.proto import rerank_pb2 as pb
from gerank.wire.feature_blocks import blocks_from_columns, columns_from_blocks
from gerank.wire.packed import read_values

_GREEDY = {pb.MODE_UNSPECIFIED: None, pb.MODE_GREEDY: True, pb.MODE_SAMPLE: False}
_MODE = {greedy: mode for mode, greedy in _GREEDY.items()}


def query_from_request(request: Request) -> pb.Query:
    """The message that asks for this request. It need not have been checked: the server does.

    Raises:
        RequestError: A column cannot be put into the message.
    """
    count = len(request.candidate_ids)
    user = {name: [value] for name, value in request.user.items()}
    return pb.Query(
        id=str(request.id),
        candidate_count=count,
        user_features=blocks_from_columns("user", user, 1),
        candidate_features=blocks_from_columns("candidates", request.candidates, count),
        candidate_ids=[str(candidate_id) for candidate_id in request.candidate_ids],
        preset=request.preset or "",
        slots=request.slots or 0,
        pins=[pb.Pin(slot=pin.slot, candidate=pin.candidate) for pin in request.pins],
        dedup_keys=_keys_message(request.dedup_keys),
        spacing=[
            pb.Spacing(group=rule.group, window=rule.window, cap=rule.cap)
            for rule in request.spacing
        ],
        quotas=[
            pb.Quota(flag=rule.flag, min=rule.minimum, max=rule.maximum) for rule in request.quotas
        ],
        weights=dict(request.weights),
        seed=request.seed,
        mode=_MODE[request.greedy],
        temperature=request.temperature,
    )


def request_from_query(query: pb.Query, contract: RequestContract) -> Request:
    """Reads a message. What it says is checked by `check_request`, how it says it here.

    Raises:
        RequestError: The message contradicts itself, or its M is outside the artifact's limits.
    """
    count = query.candidate_count
    check_candidate_count(count, contract)
    user = columns_from_blocks("user_features", query.user_features, 1)
    return Request(
        id=query.id,
        candidate_ids=_candidate_ids(query),
        user={name: column[0].item() for name, column in user.items()},
        candidates=columns_from_blocks("candidate_features", query.candidate_features, count),
        preset=query.preset or None,
        slots=query.slots or None,
        pins=tuple(Pin(pin.slot, pin.candidate) for pin in query.pins),
        dedup_keys=_dedup_keys(query),
        spacing=tuple(Spacing(rule.group, rule.window, rule.cap) for rule in query.spacing),
        quotas=tuple(
            Quota(rule.flag, rule.min, rule.max if rule.HasField("max") else None)
            for rule in query.quotas
        ),
        weights=dict(query.weights),
        seed=query.seed if query.HasField("seed") else None,
        greedy=_greedy(query.mode),
        temperature=query.temperature if query.HasField("temperature") else None,
    )


def _candidate_ids(query: pb.Query) -> tuple[str | int, ...]:
    if not query.candidate_ids:
        return tuple(range(query.candidate_count))
    if len(query.candidate_ids) != query.candidate_count:
        rule = f"must be {query.candidate_count} ids, or none"
        raise RequestError("candidate_ids", f"{len(query.candidate_ids)} ids", rule)
    return tuple(query.candidate_ids)


def _keys_message(keys: NDArray[Any] | None) -> pb.DedupKeys | None:
    if keys is None:
        return None
    return pb.DedupKeys(int64_le=keys.astype("<i8").tobytes(), present=(keys >= 0).tolist())


def _dedup_keys(query: pb.Query) -> NDArray[np.int64] | None:
    """Numbers the distinct keys from 0, so that every int64 can be one; -1 where there is none."""
    if not query.HasField("dedup_keys"):
        return None
    keys = read_values("dedup_keys", query.dedup_keys, ("int64_le", "ints"))
    present = np.array(query.dedup_keys.present or [True] * len(keys), bool)
    for field, values in (("dedup_keys", keys), ("dedup_keys.present", present)):
        if len(values) != query.candidate_count:
            rule = f"must have {query.candidate_count} values, one per candidate"
            raise RequestError(field, f"{len(values)} values", rule)
    numbers = np.full(len(keys), -1, np.int64)
    numbers[present] = np.unique(keys[present], return_inverse=True)[1]
    return numbers


def _greedy(mode: pb.Mode) -> bool | None:
    if mode not in _GREEDY:
        raise RequestError("mode", mode, f"must be one of {pb.Mode.keys()}")
    return _GREEDY[mode]
