"""Random requests of pages in a feed, and what a reader of the rules says of their answers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from gerank.data.contract import RequestContract
from tests.data.request_cases import Document, random_document

Columns = Sequence[Document]


def feed_document(rng: np.random.Generator, contract: RequestContract) -> Document:
    """A random request with up to five slots above it, of which some share dedup keys with it."""
    document = random_document(rng, contract)
    keys = [candidate.get("dedup_key") for candidate in document["candidates"]]
    pinned = {id_: index for index, id_ in enumerate(c["id"] for c in document["candidates"])}
    taken = {keys[pinned[id_]] for id_ in document["pins"].values()}
    above = []
    for _ in range(int(rng.integers(6))):
        slot: Document = {
            "seller": int(rng.integers(8)),
            "category": int(rng.integers(5)),
            "fresh": int(rng.integers(2)),
            "cold": int(rng.integers(2)),
        }
        key = keys[int(rng.integers(len(keys)))]
        if rng.random() < 0.5 and key is not None and key not in taken:
            slot["dedup_key"] = key
        above.append(slot)
    return document | {"above": above}


def shown(document: Document, answer: Document) -> list[Document | None]:
    """What stands in the slots above and in those of the page, from top to bottom."""
    page: list[Document | None] = [None] * document["slots"]
    for entry in answer["slate"]:
        page[entry["slot"]] = document["candidates"][entry["candidate"]]
    return [*document.get("above", []), *page]


def unmet_rules(document: Document, answer: Document) -> list[Document]:
    """The rules that an answer does not satisfy, told from document and slate alone."""
    slots, above = shown(document, answer), len(document.get("above", []))
    return [
        *_pins(document, answer),
        *_keys(slots, above),
        *(rule for quota in document["quotas"] for rule in _quota(quota, slots[above:])),
        *(rule for spacing in document["spacing"] for rule in _spacing(spacing, slots, above)),
    ]


def by_rule(unmet: Sequence[Document]) -> list[Document]:
    """In an order of their own."""
    return sorted(unmet, key=lambda rule: (rule["rule"], rule["name"], rule["slots"]))


def _unmet(rule: str, name: str, wanted: int, got: int, slots: list[int]) -> Document:
    return {"rule": rule, "name": name, "wanted": wanted, "got": got, "slots": slots}


def _pins(document: Document, answer: Document) -> list[Document]:
    index = {candidate["id"]: m for m, candidate in enumerate(document["candidates"])}
    placed = {entry["slot"]: entry["candidate"] for entry in answer["slate"]}
    pins = {int(slot): index[id_] for slot, id_ in document["pins"].items()}
    return [
        _unmet("pins", "", wanted, placed.get(slot, -1), [slot])
        for slot, wanted in pins.items()
        if placed.get(slot, -1) != wanted
    ]


def _keys(slots: list[Document | None], above: int) -> list[Document]:
    holders: dict[object, list[int]] = {}
    told = {slot["dedup_key"] for slot in slots[:above] if slot and "dedup_key" in slot}
    for n, slot in enumerate(slots[above:]):
        key = None if slot is None else slot.get("dedup_key")
        if key is not None:
            holders.setdefault(key, []).append(n)
    counts = {key: len(places) + (key in told) for key, places in holders.items()}
    return [
        _unmet("dedup_keys", "", 1, counts[key], places)
        for key, places in holders.items()
        if counts[key] > 1
    ]


def _quota(quota: Document, page: list[Document | None]) -> list[Document]:
    members = [n for n, slot in enumerate(page) if slot is not None and slot[quota["flag"]]]
    least, most = quota.get("min", 0), quota.get("max")
    if len(members) < least:
        return [_unmet("quotas", quota["flag"], least, len(members), members)]
    if most is not None and len(members) > most:
        return [_unmet("quotas", quota["flag"], most, len(members), members)]
    return []


def _spacing(rule: Document, slots: list[Document | None], above: int) -> list[Document]:
    group, window, cap = rule["group"], rule["window"], rule["cap"]
    worst, places = 0, set()
    for start in range(max(1, len(slots) - window + 1)):
        run = range(start, min(start + window, len(slots)))
        groups = {slots[n][group] for n in run if slots[n] is not None}  # type: ignore[index]
        for value in (value for value in groups if value >= 0):  # a negative one is no group
            same = [n for n in run if slots[n] is not None and slots[n][group] == value]  # type: ignore[index]
            if len(same) > cap and same[-1] >= above:
                worst = max(worst, len(same))
                places |= {n - above for n in same if n >= above}
    return [_unmet("spacing", group, cap, worst, sorted(places))] if places else []
