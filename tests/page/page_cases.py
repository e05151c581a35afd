"""Random generators over random schemas, with every sort of feature, and requests to them."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import RerankBatch
from gerank.data.contract import RequestContract, WeightRange
from gerank.data.feature_block import Block, BlockKind, Pool
from gerank.data.schema import Feature, FeatureKind, FeatureSchema
from gerank.export.golden import draw_batch
from gerank.nn.control import Control
from gerank.nn.generator import Generator, GeneratorShape
from tests.ops.cases import DecodeCase
from tests.ops.parity import Answer, expect_same_decode

DENSE, ID = FeatureKind.DENSE, FeatureKind.ID
CONTROLS: tuple[Control | None, ...] = (None, *Control)


def random_schema(rng: np.random.Generator) -> FeatureSchema:
    """Numbers, vectors, ids and lists of every kind on both sides; flags and group keys."""
    user, user_blocks = _side("user", rng)
    candidate, blocks = _side("candidate", rng)
    flags = tuple(f"flag_{place}" for place in range(rng.integers(3)))
    groups = tuple(f"group_{place}" for place in range(rng.integers(3)))
    keys = (
        *(Feature(name, ID, 2) for name in flags),
        *(Feature(name, ID, 5, hashed=place == 0) for place, name in enumerate(groups)),
    )
    return FeatureSchema(
        user=user,
        candidate=_shuffled((*candidate, *keys), rng),
        flags=flags,
        groups=groups,
        blocks=(*user_blocks, *blocks),
    )


def random_contract(rng: np.random.Generator, schema: FeatureSchema) -> RequestContract:
    """One to three weights, slates of 1..7."""
    weights = {
        f"w{place}": WeightRange(-1.0 * place, 2.0, 1.0) for place in range(rng.integers(1, 4))
    }
    return RequestContract(schema, 256, int(rng.integers(1, 8)), weights)


def random_generator(
    rng: np.random.Generator, contract: RequestContract, control: Control | None
) -> Generator:
    """One whose every parameter, scale and map is drawn."""
    torch.manual_seed(int(rng.integers(2**31)))
    dense = [feature.name for feature in contract.schema.candidate_dense]
    shape = GeneratorShape(
        width=int(rng.integers(1, 40)),
        attention_width=int(rng.integers(1, 40)),
        embedding_width=int(rng.integers(1, 12)),
        context_window=int(rng.integers(4)),
        local_context=bool(rng.random() < 0.8),
        utilities=len(contract.weights),
        controllable=control is not None,
        control=control or Control.HYPERNETWORK,
        weight_ranges=tuple((w.minimum, w.maximum) for w in contract.weights.values()),
        calibrated=tuple(name for name in dense if rng.random() < 0.4),
    )
    generator = Generator(contract.schema, shape)
    features = generator.features
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.2 * torch.randn_like(parameter))
        for scale in (features.user_scale, features.candidate_scale):
            scale.mean.normal_()
            scale.deviation.uniform_(0.5, 2.0)
        knots = features.calibration.knots
        rises = torch.rand_like(knots) + 0.01
        values = (torch.rand_like(knots) + 0.05).cumsum(1)
        features.calibration.set_maps(rises.cumsum(1) * 0.1 - 2.0, values)
    return generator.eval()


def random_requests(
    rng: np.random.Generator, contract: RequestContract, requests: int, candidates: int
) -> RerankBatch:
    """Ragged requests with holes in the mask, ties, values far out, pins, rules, all modes.

    Values are multiples of 1/1024, and maps rise by half of it at least: closer ones may be equal
    in float32 once they are calibrated, and not in float64, and then have another rank.
    """
    batch = draw_batch(contract, requests, candidates, int(rng.integers(2**31)))
    holes = torch.from_numpy(rng.random(batch.candidate_mask.shape) < 0.2)
    holes = holes.index_fill(1, torch.tensor([0]), False) & ~_pinned(batch)
    dense = (batch.candidate_dense * 3.0 * 1024).round() / 1024
    dense = torch.where(torch.rand_like(dense) < 0.3, dense.round(), dense)
    dense = torch.where(torch.rand_like(dense) < 0.02, dense * 1e4, dense)
    slots = torch.from_numpy(rng.integers(1, contract.max_slots + 1, requests))
    inside = torch.arange(contract.max_slots) < slots[:, None]
    return batch._replace(
        candidate_mask=batch.candidate_mask & ~holes,
        candidate_dense=dense,
        slots=slots,
        pins=torch.where(inside, batch.pins, -1),
    )


def expect_as_in_double(generator: Generator, batch: RerankBatch, answer: Any) -> None:
    """Fail unless an answer is that of the generator's separate layers in float64.

    `generator` is not frozen. Where two choices are as good to 1e-5, either will do.
    """
    exact = copy.deepcopy(generator).double()
    wide = RerankBatch(*(t.double() if t.is_floating_point() else t for t in batch))
    with torch.no_grad():
        encoded = exact.encode_batch(wide)
    case = DecodeCase(*encoded, *wide.rules, wide.seeds, wide.greedy, 1, generator.context_window)
    expect_same_decode(case, Answer(*(part.unsqueeze(1) for part in answer)))


def _pinned(batch: RerankBatch) -> Tensor:
    """[B, M] bool: whom a pin names."""
    places = torch.arange(batch.candidate_mask.size(1))
    return (batch.pins.unsqueeze(2) == places).any(1)


def _side(side: str, rng: np.random.Generator) -> tuple[tuple[Feature, ...], tuple[Block, ...]]:
    features = [Feature(f"{side}_x{place}", DENSE) for place in range(rng.integers(20))]
    blocks = []
    for place in range(rng.integers(2)):
        columns = [Feature(f"{side}_v{place}_{c}", DENSE) for c in range(rng.integers(1, 19))]
        features += columns
        blocks.append(_block(side, columns, BlockKind.VECTOR, in_context=bool(rng.integers(2))))
    for place in range(rng.integers(4)):
        hashed = bool(rng.integers(2))
        features.append(Feature(f"{side}_i{place}", ID, int(rng.integers(2, 30)), hashed=hashed))
    for pool in (*Pool, Pool.ATTENTION):
        if rng.random() < 0.5:
            continue
        hashed, rows = bool(rng.integers(2)), int(rng.integers(2, 30))
        first = Feature(
            f"{side}_{pool}{len(blocks)}_0",
            ID,
            rows,
            hashed=hashed,
            default=-1 if hashed else rows - 1,
        )
        columns = [replace(first, name=f"{first.name}_{c}") for c in range(rng.integers(1, 12))]
        features += columns
        blocks.append(_block(side, columns, BlockKind.IDS, pool=pool))
    return _shuffled(tuple(features), rng), tuple(blocks)


def _block(side: str, columns: list[Feature], kind: BlockKind, **how: Any) -> Block:
    return Block(side, f"{columns[0].name}_all", kind, tuple(f.name for f in columns), **how)


def _shuffled(features: tuple[Feature, ...], rng: np.random.Generator) -> tuple[Feature, ...]:
    return tuple(features[place] for place in rng.permutation(len(features)))
