"""Requests for the tests of every front: a contract and random valid documents."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

DENSE, ID = FeatureKind.DENSE, FeatureKind.ID
MAX_CANDIDATES, MAX_SLOTS = 12, 6

CONTRACT = RequestContract(
    schema=FeatureSchema(
        user=(
            Feature("age", DENSE),
            Feature("country", ID, vocabulary=3, values=("cz", "de", "pl")),
        ),
        candidate=(
            Feature("score", DENSE),
            Feature("price", DENSE),
            Feature("seller", ID, vocabulary=64, hashed=True),
            Feature("category", ID, vocabulary=5),
            Feature("fresh", ID, vocabulary=2),
            Feature("cold", ID, vocabulary=2),
        ),
        groups=("seller", "category"),
        flags=("fresh", "cold"),
    ),
    max_candidates=MAX_CANDIDATES,
    max_slots=MAX_SLOTS,
    weights={"clicks": WeightRange(0.0, 2.0, 1.0), "diversity": WeightRange(0.1, 0.7, 0.5)},
)

Document = dict[str, Any]

_number = st.floats(width=32, allow_nan=False, allow_infinity=False)
_candidate = st.fixed_dictionaries(
    {
        "score": _number,
        "price": _number | st.integers(-1000, 1000),
        "seller": st.text(max_size=4) | st.integers(-(2**63), 2**63 - 1),
        "category": st.integers(0, 4),
        "fresh": st.booleans(),
        "cold": st.integers(0, 1),
    },
    optional={"dedup_key": st.sampled_from(["a", "b", 1, 2**70, None])},
)


@st.composite
def documents(draw: st.DrawFn) -> Document:
    """Valid JSON requests: every field present or left out, pins that fit the dedup keys."""
    candidates = draw(st.lists(_candidate, min_size=1, max_size=MAX_CANDIDATES))
    ids = draw(
        st.lists(
            st.integers() | st.text(),
            min_size=len(candidates),
            max_size=len(candidates),
            unique_by=str,
        )
    )
    for candidate, candidate_id in zip(candidates, ids, strict=True):
        candidate["id"] = candidate_id
    document: Document = {
        "id": draw(st.text() | st.integers()),
        "user": {"age": draw(_number), "country": draw(st.sampled_from(["cz", "de", "pl", 0, 2]))},
        "candidates": candidates,
    }
    slots = draw(st.integers(1, MAX_SLOTS))
    optional = {
        "slots": st.just(slots),
        "pins": _pins(candidates, slots),
        "spacing": st.lists(
            st.fixed_dictionaries(
                {
                    "group": st.sampled_from(["seller", "category"]),
                    "window": st.integers(1, 9),
                    "cap": st.integers(1, 3),
                }
            ),
            max_size=2,
            unique_by=lambda rule: rule["group"],
        ),
        "quotas": st.lists(
            st.fixed_dictionaries(
                {"flag": st.sampled_from(["fresh", "cold"])},
                optional={"min": st.integers(0, 3), "max": st.integers(3, 6)},
            ),
            max_size=2,
            unique_by=lambda rule: rule["flag"],
        ),
        "weights": st.fixed_dictionaries(
            {}, optional={"clicks": st.floats(0, 2), "diversity": st.floats(0.1, 0.7)}
        ),
        "seed": st.integers(0, 2**64 - 1),
        "mode": st.sampled_from(["greedy", "sample"]),
        "temperature": st.floats(0.001, 1000),
    }
    return document | draw(st.fixed_dictionaries({}, optional=optional))


@st.composite
def _pins(draw: st.DrawFn, candidates: list[Document], slots: int) -> dict[str, Any]:
    order = draw(st.permutations(range(slots)))
    pins: dict[str, Any] = {}
    keys: set[str] = set()
    for slot, candidate in zip(order, candidates[: draw(st.integers(0, 3))], strict=False):
        key = candidate.get("dedup_key")
        if key is None or str(key) not in keys:
            keys.add(str(key))
            pins[str(slot)] = candidate["id"]
    return pins


def random_document(rng: np.random.Generator, contract: RequestContract) -> Document:
    """A valid request over `CONTRACT`'s features, its size within the limits of `contract`."""
    count = int(rng.integers(1, contract.max_candidates + 1))
    slots = int(rng.integers(1, contract.max_slots + 1))
    candidates = [_random_candidate(rng, index) for index in range(count)]
    if rng.random() < 0.5:
        for candidate in candidates:
            candidate["dedup_key"] = int(rng.integers(count))
    return {
        "id": int(rng.integers(10**6)),
        "user": {"age": float(rng.normal()), "country": int(rng.integers(3))},
        "candidates": candidates,
        "slots": slots,
        "pins": _random_pins(rng, candidates, slots),
        "spacing": [
            {"group": group, "window": int(rng.integers(1, 6)), "cap": int(rng.integers(1, 3))}
            for group in contract.schema.groups
            if rng.random() < 0.5
        ],
        "quotas": [
            {"flag": flag, "min": int(rng.integers(0, 3)), "max": int(rng.integers(2, 6))}
            for flag in contract.schema.flags
            if rng.random() < 0.3
        ],
        "weights": {"clicks": float(rng.uniform(0, 2)), "diversity": float(rng.uniform(0.1, 0.7))},
        "seed": int(rng.integers(2**64, dtype=np.uint64)),
        "mode": str(rng.choice(["greedy", "sample"])),
        "temperature": float(rng.uniform(0.5, 2.0)),
    }


def _random_candidate(rng: np.random.Generator, index: int) -> Document:
    return {
        "id": f"item{index}",
        "score": float(rng.normal()),
        "price": float(rng.normal()),
        "seller": int(rng.integers(8)),
        "category": int(rng.integers(5)),
        "fresh": int(rng.integers(2)),
        "cold": int(rng.integers(2)),
    }


def _random_pins(
    rng: np.random.Generator, candidates: list[Document], slots: int
) -> dict[str, str]:
    pins: dict[str, str] = {}
    keys: set[object] = set()
    for slot in rng.permutation(slots)[: rng.integers(0, 3)]:
        candidate = candidates[int(rng.integers(len(candidates)))]
        key = candidate.get("dedup_key", candidate["id"])
        if key not in keys:
            keys.add(key)
            pins[str(slot)] = candidate["id"]
    return pins
