"""A `Request` as a `Query` message."""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from gerank.data.request import Above, Request
from gerank.proto import rerank_pb2 as pb
from gerank.wire.feature_blocks import blocks_from_columns

_MODE = {None: pb.MODE_UNSPECIFIED, True: pb.MODE_GREEDY, False: pb.MODE_SAMPLE}


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
        above=_above_message(request.above),
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


def _above_message(above: Above | None) -> pb.Above | None:
    if above is None:
        return None
    return pb.Above(
        count=above.count,
        features=blocks_from_columns("above", above.features, above.count),
        dedup_keys=_keys_message(above.dedup_keys),
    )


def _keys_message(keys: NDArray[Any] | None) -> pb.DedupKeys | None:
    if keys is None:
        return None
    return pb.DedupKeys(int64_le=keys.astype("<i8").tobytes(), present=(keys >= 0).tolist())
