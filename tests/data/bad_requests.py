"""One valid request, and every way to spoil it that a front must refuse."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tests.data.request_cases import MAX_CANDIDATES, Document


def valid_document() -> Document:
    """One valid request with every field; free to be spoiled."""
    return {
        "id": "page",
        "user": {"age": 31.5, "country": "de"},
        "candidates": [
            {
                "id": f"item{index}",
                "score": 0.5 - 0.1 * index,
                "price": 10.0 + index,
                "seller": f"seller{index % 3}",
                "category": index % 5,
                "fresh": index % 2,
                "cold": 0,
                "dedup_key": f"product{index // 2}",
            }
            for index in range(8)
        ],
        "slots": 5,
        "pins": {"1": "item0", "3": "item2"},
        "spacing": [{"group": "seller", "window": 3, "cap": 2}],
        "quotas": [{"flag": "fresh", "min": 1, "max": 4}],
        "weights": {"clicks": 1.5},
        "seed": 11,
        "mode": "sample",
        "temperature": 0.7,
    }


def _put(*path: str | int, value: object) -> Callable[[Document], None]:
    def spoil(document: Document) -> None:
        target: Any = document
        for key in path[:-1]:
            target = target[key]
        target[path[-1]] = value

    return spoil


def _remove(*path: str | int) -> Callable[[Document], None]:
    def spoil(document: Document) -> None:
        target: Any = document
        for key in path[:-1]:
            target = target[key]
        del target[path[-1]]

    return spoil


def _too_many(document: Document) -> None:
    template = document["candidates"][0]
    document["candidates"] = [
        template | {"id": f"item{index}", "dedup_key": index} for index in range(MAX_CANDIDATES + 1)
    ]


_RULE = {"group": "seller", "window": 3, "cap": 2}

BAD_DOCUMENTS: dict[str, tuple[Callable[[Document], None], str, str]] = {
    # what is wrong: how to make it so, the field of the error, the value as its message shows it
    "unknown key": (_put("slotz", value=5), "slotz", "'slots', got 5"),
    "no id": (_remove("id"), "id", "missing"),
    "id of another type": (_put("id", value=1.5), "id", "1.5"),
    "id beyond Unicode": (_put("id", value="\ud800"), "id", "'\\ud800'"),
    "no candidates key": (_remove("candidates"), "candidates", "missing"),
    "candidates no array": (_put("candidates", value="abc"), "candidates", "'abc'"),
    "candidate no object": (_put("candidates", 2, value=7), "candidates[2]", "7"),
    "candidate without id": (_remove("candidates", 2, "id"), "candidates[2].id", "missing"),
    "M of 0": (lambda d: d.update(candidates=[], pins={}), "candidates", "got 0"),
    "M above the limit": (_too_many, "candidates", "[1, 12], got 13"),
    "duplicate candidate id": (
        _put("candidates", 4, "id", value="item1"),
        "candidates[4].id",
        "candidates[1] too, got 'item1'",
    ),
    "missing user": (_remove("user"), "user.age", "missing"),
    "user no object": (_put("user", value=[1]), "user", "[1]"),
    "missing user feature": (_remove("user", "age"), "user.age", "['country']"),
    "unknown user feature": (_put("user", "aged", value=3), "user.aged", "'age', got 3"),
    "missing candidate feature": (
        _remove("candidates", 3, "price"),
        "candidates[3].price",
        "missing",
    ),
    "unknown candidate feature": (
        _put("candidates", 3, "prise", value=2),
        "candidates[3].prise",
        "'price', got 2",
    ),
    "NaN": (_put("candidates", 1, "score", value=float("nan")), "candidates[1].score", "nan"),
    "infinity": (_put("user", "age", value=float("-inf")), "user.age", "-inf"),
    "beyond float32": (_put("candidates", 0, "price", value=1e39), "candidates[0].price", "1e+39"),
    "huge integer": (_put("user", "age", value=10**400), "user.age", "1000"),
    "text for a number": (_put("user", "age", value="old"), "user.age", "'old'"),
    "truth for a number": (_put("user", "age", value=True), "user.age", "True"),
    "null feature": (_put("user", "age", value=None), "user.age", "None"),
    "unknown value name": (
        _put("user", "country", value="fr"),
        "user.country",
        "unknown value, must be one that the artifact knows, got 'fr'",
    ),
    "id outside its vocabulary": (
        _put("candidates", 5, "category", value=5),
        "candidates[5].category",
        "[0, 4], got 5",
    ),
    "negative id": (_put("candidates", 5, "fresh", value=-1), "candidates[5].fresh", "-1"),
    "fraction for an id": (_put("candidates", 5, "cold", value=0.5), "candidates[5].cold", "0.5"),
    "id beyond 64 bits": (
        _put("candidates", 5, "seller", value=2**63),
        "candidates[5].seller",
        str(2**63),
    ),
    "dedup key of another type": (
        _put("candidates", 6, "dedup_key", value=1.5),
        "candidates[6].dedup_key",
        "1.5",
    ),
    "slots of 0": (_put("slots", value=0), "slots", "[1, 6], got 0"),
    "slots of -1": (_put("slots", value=-1), "slots", "must be an integer in [1, 6], got -1"),
    "slots above the limit": (_put("slots", value=7), "slots", "[1, 6], got 7"),
    "slots no integer": (_put("slots", value="5"), "slots", "'5'"),
    "pins no object": (_put("pins", value=["item0"]), "pins", "['item0']"),
    "pin slot no number": (_put("pins", "first", value="item5"), "pins.first", "'first'"),
    "pin slot below 0": (_put("pins", "-1", value="item5"), "pins.-1", "'-1'"),
    "pin slot outside the slate": (_put("pins", "5", value="item5"), "pins.5", "[0, 4], got 5"),
    "pin slot of 5,000 digits": (_put("pins", "9" * 5000, value="item5"), "pins.999", "999"),
    "pin on a missing candidate": (_put("pins", "0", value="item9"), "pins.0", "'item9'"),
    "two pins on one candidate": (_put("pins", "0", value="item0"), "pins.0", "got 'item0'"),
    "two pins on one slot": (_put("pins", "01", value="item5"), "pins.1", "got 'item5'"),
    "two pins on one dedup key": (_put("pins", "4", value="item1"), "pins.4", "got 'item1'"),
    "spacing no array": (_put("spacing", value=_RULE), "spacing", "{"),
    "spacing of an unknown group": (
        _put("spacing", 0, "group", value="seler"),
        "spacing[0].group",
        "'seller', got 'seler'",
    ),
    "spacing without a cap": (_remove("spacing", 0, "cap"), "spacing[0].cap", "missing"),
    "spacing with an unknown key": (
        _put("spacing", 0, "size", value=2),
        "spacing[0].size",
        "got 2",
    ),
    "window of 0": (_put("spacing", 0, "window", value=0), "spacing[0].window", "got 0"),
    "cap of 0": (_put("spacing", 0, "cap", value=0), "spacing[0].cap", "got 0"),
    "cap no integer": (_put("spacing", 0, "cap", value=1.5), "spacing[0].cap", "got 1.5"),
    "two spacings of one group": (
        _put("spacing", value=[_RULE, _RULE]),
        "spacing[1].group",
        "'seller'",
    ),
    "quota of an unknown flag": (_put("quotas", 0, "flag", value="hot"), "quotas[0].flag", "'hot'"),
    "quota of a group": (_put("quotas", 0, "flag", value="seller"), "quotas[0].flag", "'seller'"),
    "negative minimum": (_put("quotas", 0, "min", value=-1), "quotas[0].min", "-1"),
    "minimum above maximum": (
        _put("quotas", 0, "min", value=5),
        "quotas[0].max",
        "[5, 2147483647], got 4",
    ),
    "two quotas of one flag": (
        _put("quotas", value=[{"flag": "cold"}, {"flag": "cold"}]),
        "quotas[1].flag",
        "'cold'",
    ),
    "weights no object": (_put("weights", value=1.0), "weights", "1.0"),
    "unknown weight": (_put("weights", "click", value=1.0), "weights.click", "'clicks', got 1.0"),
    "weight out of range": (
        _put("weights", "clicks", value=2.5),
        "weights.clicks",
        "[0, 2], got 2.5",
    ),
    "weight NaN": (_put("weights", "clicks", value=float("nan")), "weights.clicks", "nan"),
    "seed below 0": (_put("seed", value=-1), "seed", "-1"),
    "seed beyond 64 bits": (_put("seed", value=2**64), "seed", str(2**64)),
    "unknown mode": (_put("mode", value="random"), "mode", "'random'"),
    "mode no text": (_put("mode", value=["greedy"]), "mode", "['greedy']"),
    "temperature of 0": (_put("temperature", value=0), "temperature", "[0.001, 1000], got 0"),
    "temperature infinite": (_put("temperature", value=float("inf")), "temperature", "inf"),
    "temperature null": (_put("temperature", value=None), "temperature", "None"),
}
