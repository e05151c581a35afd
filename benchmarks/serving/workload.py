"""What the serving benchmark serves and asks: 20 candidates of 64 floats, 10 slots."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import torch

from gerank.data.contract import RequestContract, WeightRange
from gerank.data.request import Request
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.export.artifact import Artifact, write_artifact
from gerank.nn.generator import Generator, GeneratorShape
from gerank.proto import rerank_pb2 as pb
from gerank.wire.query import query_from_request

CANDIDATES, SLOTS, FLOATS = 20, 10, 64


def contract() -> RequestContract:
    """Dense features alone, and one utility."""
    user = tuple(Feature(f"user_{index}", FeatureKind.DENSE) for index in range(4))
    candidate = tuple(Feature(f"feature_{index:02d}", FeatureKind.DENSE) for index in range(FLOATS))
    schema = FeatureSchema(user=user, candidate=candidate, groups=(), flags=())
    return RequestContract(schema, 64, SLOTS, {"clicks": WeightRange(0.0, 2.0, 1.0)})


def make_artifact(path: Path, seed: int = 0) -> Artifact:
    """An untrained generator of the usual size; two seeds, two models."""
    torch.manual_seed(seed)
    generator = Generator(contract().schema, GeneratorShape())
    return write_artifact(generator, contract(), path, name=f"bench-{seed}", training={})


def write_payloads(path: Path, count: int, queries: int = 1, seed: int = 0) -> int:
    """`count` requests of some queries as load_generator reads them; the bytes of the last one."""
    rng = np.random.default_rng(seed)
    size = 0
    with path.open("wb") as file:
        for index in range(count):
            pages = [_query(rng, index) for _ in range(queries)]
            payload = pb.RerankRequest(queries=pages).SerializeToString()
            file.write(struct.pack("<I", len(payload)) + payload)
            size = len(payload)
    return size


def _query(rng: np.random.Generator, index: int) -> pb.Query:
    schema = contract().schema
    request = Request(
        id=f"page-{index}",
        candidate_ids=tuple(f"item-{number:06d}" for number in rng.permutation(10**6)[:CANDIDATES]),
        user={feature.name: float(rng.normal()) for feature in schema.user},
        candidates={
            feature.name: rng.normal(size=CANDIDATES).astype(np.float32)
            for feature in schema.candidate
        },
        slots=SLOTS,
    )
    return query_from_request(request)
