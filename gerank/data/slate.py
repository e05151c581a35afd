"""One answer: the slate of one request, as Python values and as the JSON that people read."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from gerank.data.request import Request
from gerank.data.scalars import plain_id


@dataclass(frozen=True)
class Unmet:
    """A rule that a finished slate does not satisfy, whoever is at fault.

    Attributes:
        rule: `spacing`, `quotas`, `pins` or `dedup_keys`.
        name: The group key or the flag; empty for pins and dedup keys.
        wanted: The cap; the minimum that was missed, or the maximum that was passed; the pinned
            candidate, as an index; 1.
        got: The most of one group in a window; the members of the flag; the candidate in the slot,
            -1 for none; how many have the key.
        slots: The slots of the page that take part.
    """

    rule: str
    name: str
    wanted: int
    got: int
    slots: tuple[int, ...]


@dataclass(frozen=True)
class Slate:
    """What one request gets. The tuples are parallel: an entry per filled slot, slots ascending.

    Attributes:
        slots: Filled slots; a slot that no candidate could fill is left out.
        candidates: The candidate of each, as an index.
        log_prob: Holds each choice's log-probability, given the choices before it; 0 for a pin.
        relaxed: The names of the rules that had to be dropped at each, weakest first.
        seed: The seed that was used.
        model_version: The artifact that answered.
        unmet: The rules that it does not satisfy; usually none.
    """

    slots: tuple[int, ...]
    candidates: tuple[int, ...]
    log_prob: tuple[float, ...]
    relaxed: tuple[tuple[str, ...], ...]
    seed: int
    model_version: str
    unmet: tuple[Unmet, ...] = ()


def slate_document(request: Request, slate: Slate) -> dict[str, Any]:
    """The answer as JSON: `id`, `slate`, `unmet`, `model_version`; `seed` if it may be sampled."""
    document: dict[str, Any] = {
        "id": plain_id(request.id),
        "slate": [
            {
                "slot": slot,
                "id": plain_id(request.candidate_ids[candidate]),
                "candidate": candidate,
                "log_prob": log_prob,
                "relaxed": list(relaxed),
            }
            for slot, candidate, log_prob, relaxed in zip(
                slate.slots, slate.candidates, slate.log_prob, slate.relaxed, strict=True
            )
        ],
        "unmet": [asdict(rule) | {"slots": list(rule.slots)} for rule in slate.unmet],
        "model_version": slate.model_version,
    }
    greedy = request.preset is None if request.greedy is None else request.greedy
    return document if greedy else document | {"seed": slate.seed}
