"""A `Slate` out of its message."""

from __future__ import annotations

from gerank.data.relaxed import RULES
from gerank.data.slate import Slate, Unmet
from gerank.proto import rerank_pb2 as pb


def slate_from_message(message: pb.Slate) -> Slate:
    """The slate that a server answered."""
    relaxed = {entry.slot: entry.rules for entry in message.relaxed}
    return Slate(
        slots=tuple(message.slots),
        candidates=tuple(message.candidates),
        log_prob=tuple(message.log_prob),
        relaxed=tuple(
            tuple(RULES[rule] for rule in relaxed.get(slot, ())) for slot in message.slots
        ),
        seed=message.seed,
        model_version=message.model_version,
        unmet=tuple(
            Unmet(RULES[rule.rule], rule.name, rule.wanted, rule.got, tuple(rule.slots))
            for rule in message.unmet
        ),
    )
