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
