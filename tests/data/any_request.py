"""Random requests of every sort: features of every kind, all rules, presets, pages in a feed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from gerank.data.contract import RequestContract
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from tests.data import block_cases
from tests.data.above_cases import feed_document
from tests.data.block_cases import EMBEDDING, GENRES, HISTORY, NEAR, TAG_COLUMNS, TASTE
from tests.data.request_cases import CONTRACT as PLAIN
from tests.data.request_cases import Document

PRESETS = {
    "new arrivals": {"quotas": [{"flag": "fresh", "min": 3}], "weights": {"diversity": 0.6}},
    'a "drawn" page': {"mode": "sample", "temperature": 0.7, "slots": 9},
    "calm": {"spacing": [{"group": "seller", "window": 4, "cap": 1}]},
}
PRESET_KEYS = ("slots", "spacing", "quotas", "weights", "mode", "temperature")

CONTRACT = RequestContract(
    schema=FeatureSchema(
        user=(*PLAIN.schema.user, *HISTORY, *TASTE),
        candidate=(
            *PLAIN.schema.candidate,
            Feature("rating", FeatureKind.DENSE, default=2.5),
            *EMBEDDING,
            *NEAR,
            *TAG_COLUMNS,
            *GENRES,
        ),
        groups=PLAIN.schema.groups,
        flags=PLAIN.schema.flags,
        blocks=block_cases.SCHEMA.blocks,
    ),
    max_candidates=60,
    max_slots=15,
    weights=PLAIN.weights,
    presets=PRESETS,
)
"""Every kind of feature: numbers, words, hashed ids, flags, vectors, lists, a default."""

Draw = np.random.Generator


def any_document(rng: Draw) -> Document:
    """A valid request of `CONTRACT`."""
    document = feed_document(rng, CONTRACT)
    _add_blocks(rng, document)
    if rng.random() < 0.5:
        document = _with_preset(rng, document)
    _leave_out(rng, document)
    _say_otherwise(rng, document)
    return document


def _with_preset(rng: Draw, document: Document) -> Document:
    """Names a preset, and does not say itself some of what it says."""
    left_out = [key for key in PRESET_KEYS if rng.random() < 0.5]
    kept = {key: value for key, value in document.items() if key not in left_out}
    if "slots" in left_out:
        kept.pop("pins", None)  # they may lie beyond the preset's slots
    return kept | {"preset": str(rng.choice(list(PRESETS)))}


def _leave_out(rng: Draw, document: Document) -> None:
    for key in ("slots", "pins", "spacing", "quotas", "weights", "temperature", "above", "seed"):
        if key == "seed" and document.get("mode") != "greedy":
            continue  # or each way would draw its own
        if key == "slots" and "preset" in document and document.get("pins"):
            continue
        if rng.random() < 0.1:
            document.pop(key, None)
    for quota in document.get("quotas", ()):
        if rng.random() < 0.3:
            quota.pop(str(rng.choice(["min", "max"])))


def _add_blocks(rng: Draw, document: Document) -> None:
    count = len(document["candidates"])
    document["user"] |= {
        "history": [_hashed(rng) for _ in range(rng.integers(5))],
        "taste": rng.normal(size=2).tolist(),
    }
    columns = zip(
        rng.normal(size=(count, 6)).tolist(),
        rng.integers(len(_TAGS), size=(count, 3)).tolist(),
        rng.integers(5, size=(count, 4)).tolist(),
        rng.integers(5, size=(count, 3)).tolist(),
        strict=True,
    )
    for candidate, (numbers, tags, genres, lengths) in zip(
        document["candidates"], columns, strict=True
    ):
        candidate |= {
            "embedding": numbers[:3],
            "near": numbers[3:5],
            "tags": [_TAGS[tag] for tag in tags[: lengths[0]]],
            "genres": genres[: lengths[1]],
        }
        if lengths[2] % 2:
            candidate["rating"] = numbers[5]


_TAGS = ("a", "b", "c", "zzz")  # the last one is unknown


def _hashed(rng: Draw) -> str | int:
    number = int(rng.integers(2**62))
    return f"item {number}" if rng.random() < 0.5 else number


def _say_otherwise(rng: Draw, document: Document) -> None:
    """The same ids and keys as other numbers, as words, as truth values."""
    candidates, above = document["candidates"], document.get("above", [])
    _reword(rng, [*candidates, *above], "seller", _SELLERS)
    _reword(rng, [*candidates, *above], "dedup_key", _KEYS)
    for flag in ("fresh", "cold"):
        _reword(rng, [*candidates, *above], flag, (int, bool))
    _reword(rng, candidates, "price", (float, round))
    _reword(rng, [document["user"]], "country", (int, lambda code: ("cz", "de", "pl")[code]))
    _reword(rng, [document], "id", (int, lambda number: f"page {number}"))
    reword = _one_of(rng, _IDS)
    for candidate in candidates:
        candidate["id"] = reword(candidate["id"])
    for slot, pinned in document.get("pins", {}).items():
        document["pins"][slot] = reword(pinned)
    for candidate in candidates:
        if rng.random() < 0.1:
            candidate.pop("dedup_key", None)
        elif "dedup_key" not in candidate and rng.random() < 0.1:
            candidate["dedup_key"] = None


_Words = tuple[Callable[[Any], Any], ...]
_SELLERS: _Words = (
    int,
    lambda seller: f"seller {seller}",
    lambda seller: seller + 2**40,
    lambda seller: seller - 4,  # a negative one is no group
    lambda seller: "prodavač" * seller,
)
_KEYS: _Words = (int, str, lambda key: key + 2**70, lambda key: f"key {key}")
_IDS: _Words = (str, lambda id_: int(id_.removeprefix("item")), lambda id_: f'č "{id_}"\t')


def _one_of(rng: Draw, words: _Words) -> Callable[[Any], Any]:
    return words[int(rng.integers(len(words)))]


def _reword(rng: Draw, entries: list[Document], name: str, words: _Words) -> None:
    reword = _one_of(rng, words)
    for entry in entries:
        if name in entry:
            entry[name] = reword(entry[name])
