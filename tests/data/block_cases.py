"""A schema with every sort of block, and requests of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.feature_block import Block, BlockKind, Pool
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

DENSE, ID = FeatureKind.DENSE, FeatureKind.ID
TAGS = ("a", "b", "c", "<unknown>", "<empty>")


def dense(name: str, count: int) -> tuple[Feature, ...]:
    return tuple(Feature(f"{name}_{place}", DENSE) for place in range(count))


def listed(name: str, count: int, like: Feature) -> tuple[Feature, ...]:
    return tuple(replace(like, name=f"{name}_{place}") for place in range(count))


def block(side: str, features: tuple[Feature, ...], kind: str, **how: Any) -> Block:
    name = features[0].name.rpartition("_")[0]
    return Block(side, name, BlockKind(kind), tuple(f.name for f in features), **how)


HISTORY = listed("history", 4, Feature("h", ID, 32, hashed=True, default=-1))
TASTE = dense("taste", 2)
EMBEDDING = dense("embedding", 3)
NEAR = dense("near", 2)
TAG_COLUMNS = listed("tags", 3, Feature("t", ID, 5, values=TAGS, default=4))
GENRES = listed("genres", 4, Feature("g", ID, 6, default=5))

SCHEMA = FeatureSchema(
    user=(Feature("age", DENSE), *HISTORY, *TASTE),
    candidate=(
        *EMBEDDING,
        Feature("score", DENSE),
        *NEAR,
        *TAG_COLUMNS,
        Feature("seller", ID, 16, hashed=True),
        *GENRES,
        Feature("fresh", ID, 2),
    ),
    groups=("seller",),
    flags=("fresh",),
    blocks=(
        block("user", HISTORY, "ids", pool=Pool.SUM),
        block("user", TASTE, "vector"),
        block("candidate", EMBEDDING, "vector"),
        block("candidate", NEAR, "vector", in_context=True),
        block("candidate", TAG_COLUMNS, "ids"),
        block("candidate", GENRES, "ids", pool=Pool.ATTENTION),
    ),
)

CONTRACT = RequestContract(SCHEMA, 12, 6, {"clicks": WeightRange(0.0, 1.0, 1.0)})


def document() -> dict[str, Any]:
    """A request that gives every block as a list."""
    return {
        "id": "page",
        "user": {"age": 3.5, "history": ["x", 7], "taste": [0.5, -1]},
        "candidates": [
            {
                "id": f"c{place}",
                "embedding": [0.1 * place, 2, 3.5],
                "score": 0.25 * place,
                "near": [place, -1.0],
                "tags": ["a", "b", "c"][: place % 4],
                "seller": f"s{place}",
                "genres": [place % 5, 1],
                "fresh": place % 2,
            }
            for place in range(5)
        ],
    }
