"""A `Slate` out of its message."""

from __future__ import annotations

from gerank.data.slate import Slate
from gerank.proto import rerank_pb2 as pb

_NAMES = {pb.RULE_SPACING: "spacing", pb.RULE_QUOTAS: "quotas"}


def slate_from_message(message: pb.Slate) -> Slate:
    """The slate that a server answered."""
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
