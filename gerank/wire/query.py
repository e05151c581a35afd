"""A `Request` as a `Query` message."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from gerank.data.request import Above, Quota, Request, RequestError, Spacing
from gerank.data.request_values import check_id, real, text, whole
from gerank.proto import rerank_pb2 as pb
from gerank.wire.feature_blocks import blocks_from_columns, little_endian

if TYPE_CHECKING:
    from gerank.data.request import Column

_MODE = {None: pb.MODE_UNSPECIFIED, True: pb.MODE_GREEDY, False: pb.MODE_SAMPLE}


def query_from_request(request: Request) -> pb.Query:
    """The message that asks for this request. It need not have been checked: the server does.

    Raises:
        RequestError: A column cannot be put into the message.
    """
    count = len(request.candidate_ids)
    check_id("id", request.id)
    for index, candidate_id in enumerate(request.candidate_ids):
        check_id(f"candidates[{index}].id", candidate_id)
    user = {name: [value] for name, value in request.user.items()}
    return pb.Query(
        id=str(request.id),
        candidate_count=count,
        user_features=blocks_from_columns("user", user, 1),
        candidate_features=blocks_from_columns("candidates", request.candidates, count),
        candidate_ids=[str(candidate_id) for candidate_id in request.candidate_ids],
        preset="" if request.preset is None else text("preset", request.preset),
        slots=_slots(request.slots),
        pins=[
            pb.Pin(
                slot=whole(f"pins[{index}].slot", pin.slot),
                candidate=whole(f"pins[{index}].candidate", pin.candidate),
            )
            for index, pin in enumerate(request.pins)
        ],
        dedup_keys=_keys_message(request.dedup_keys),
        above=_above_message(request.above),
        spacing=[_spacing_message(f"spacing[{n}]", rule) for n, rule in enumerate(request.spacing)],
        quotas=[_quota_message(f"quotas[{n}]", rule) for n, rule in enumerate(request.quotas)],
        weights={name: real(f"weights.{name}", value) for name, value in request.weights.items()},
        seed=None if request.seed is None else whole("seed", request.seed, 0, 2**64 - 1),
        mode=_MODE[request.greedy],
        temperature=(
            None if request.temperature is None else real("temperature", request.temperature)
        ),
    )


def _slots(slots: int | None) -> int:
    """0 where the request does not say. The server, which knows its range, names a negative one."""
    if slots is None:
        return 0
    number = whole("slots", slots)
    if number == 0:
        raise RequestError("slots", slots, "must be an integer of at least 1")
    return number


def _spacing_message(field: str, rule: Spacing) -> pb.Spacing:
    window, cap = whole(f"{field}.window", rule.window), whole(f"{field}.cap", rule.cap)
    return pb.Spacing(group=text(f"{field}.group", rule.group), window=window, cap=cap)


def _quota_message(field: str, rule: Quota) -> pb.Quota:
    least = whole(f"{field}.min", rule.minimum)
    most = None if rule.maximum is None else whole(f"{field}.max", rule.maximum)
    return pb.Quota(flag=text(f"{field}.flag", rule.flag), min=least, max=most)


def _above_message(above: Above | None) -> pb.Above | None:
    if above is None:
        return None
    return pb.Above(
        count=whole("above.count", above.count),
        features=blocks_from_columns("above", above.features, above.count),
        dedup_keys=_keys_message(above.dedup_keys),
    )


def _keys_message(column: Column | None) -> pb.DedupKeys | None:
    if column is None:
        return None
    keys = array("q", column.tolist())
    return pb.DedupKeys(int64_le=little_endian(keys), present=[key >= 0 for key in keys])
