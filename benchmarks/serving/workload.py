"""What the serving benchmark serves and asks: candidates of 64 floats, and how large a model."""

from __future__ import annotations

import struct
from dataclasses import dataclass
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

FLOATS = 64


@dataclass(frozen=True)
class Size:
    """Gives the size of a request, and of the model: D = H = width."""

    candidates: int = 20
    slots: int = 10
    width: int = 64


USUAL = Size()
WIDE = Size(width=256)
LARGE = Size(candidates=100, slots=50)
LONG = Size(candidates=512)  # four of them fill a batch


def contract(size: Size) -> RequestContract:
    """Dense features alone, and one utility."""
    user = tuple(Feature(f"user_{index}", FeatureKind.DENSE) for index in range(4))
    candidate = tuple(Feature(f"feature_{index:02d}", FeatureKind.DENSE) for index in range(FLOATS))
    schema = FeatureSchema(user=user, candidate=candidate, groups=(), flags=())
    most = max(128, size.candidates)
    return RequestContract(schema, most, size.slots, {"clicks": WeightRange(0.0, 2.0, 1.0)})


def make_artifact(path: Path, seed: int = 0, size: Size = USUAL) -> Artifact:
    """An untrained generator of the usual size; two seeds, two models."""
    torch.manual_seed(seed)
    wanted = contract(size)
    generator = Generator(
        wanted.schema, GeneratorShape(width=size.width, attention_width=size.width)
    )
    return write_artifact(generator, wanted, path, name=f"bench-{seed}", training={})


def write_payloads(
    path: Path, count: int, queries: int = 1, seed: int = 0, size: Size = USUAL
) -> int:
    """`count` requests of some queries as load_generator reads them; the bytes of the last one."""
    rng = np.random.default_rng(seed)
    length = 0
    with path.open("wb") as file:
        for index in range(count):
            pages = [_query(rng, index, size) for _ in range(queries)]
            payload = pb.RerankRequest(queries=pages).SerializeToString()
            file.write(struct.pack("<I", len(payload)) + payload)
            length = len(payload)
    return length


def _query(rng: np.random.Generator, index: int, size: Size) -> pb.Query:
    schema = contract(size).schema
    request = Request(
        id=f"page-{index}",
        candidate_ids=tuple(
            f"item-{number:06d}" for number in rng.permutation(10**6)[: size.candidates]
        ),
        user={feature.name: float(rng.normal()) for feature in schema.user},
        candidates={
            feature.name: rng.normal(size=size.candidates).astype(np.float32)
            for feature in schema.candidate
        },
        slots=size.slots,
    )
    return query_from_request(request)
