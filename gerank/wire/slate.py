"""A `Slate` as its message, both ways."""

from __future__ import annotations

from gerank.data.request import Request
from gerank.data.slate import Slate
from gerank.proto import rerank_pb2 as pb

_RULES = {"spacing": pb.RULE_SPACING, "quotas": pb.RULE_QUOTAS}
_NAMES = {rule: name for name, rule in _RULES.items()}


def message_from_slate(request: Request, slate: Slate) -> pb.Slate:
    """The message that answers `request` with `slate`."""
    return pb.Slate(
        id=str(request.id),
        slots=slate.slots,
        candidates=slate.candidates,
        candidate_ids=[str(request.candidate_ids[index]) for index in slate.candidates],
        log_prob=slate.log_prob,
        relaxed=[
            pb.RelaxedSlot(slot=slot, rules=[_RULES[name] for name in names])
            for slot, names in zip(slate.slots, slate.relaxed, strict=True)
            if names
        ],
        seed=slate.seed,
        model_version=slate.model_version,
    )


def slate_from_message(message: pb.Slate) -> Slate:
    """The inverse of `message_from_slate`."""
    relaxed = {entry.slot: entry.rules for entry in message.relaxed}
    return Slate(
        slots=tuple(message.slots),
        candidates=tuple(message.candidates),
        log_prob=tuple(message.log_prob),
        relaxed=tuple(
            tuple(_NAMES[rule] for rule in relaxed.get(slot, ())) for slot in message.slots
        ),
        seed=message.seed,
        model_version=message.model_version,
    )
