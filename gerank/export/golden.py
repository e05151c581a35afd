"""Golden requests: drawn when an artifact is written, answered again whenever it is loaded."""

from __future__ import annotations

import numpy as np
import torch
from safetensors.torch import save
from torch import Tensor

from gerank.data.batch import RerankBatch, Slates
from gerank.data.contract import RequestContract
from gerank.data.feature_block import id_units
from gerank.data.schema import Feature, FeatureKind, FeatureSchema

_SHARE_OF_NO_ENTRIES = 0.4  # of the columns of a list


def draw_batch(contract: RequestContract, requests: int, candidates: int, seed: int) -> RerankBatch:
    """Random requests within a contract: ragged sets, pins, dedup keys, spacing, quotas, modes.

    Args:
        contract: What the requests satisfy.
        requests: B.
        candidates: M, at most the contract's limit; each request has 1..M real ones.
        seed: Seeds everything that is drawn.
    """
    rng = np.random.default_rng(seed)
    schema, slots = contract.schema, contract.max_slots
    real = rng.integers(1, candidates + 1, requests)
    mask = np.arange(candidates) < real[:, None]
    pins = np.full((requests, slots), -1, np.int64)
    for row in np.flatnonzero(rng.random(requests) < 0.4):
        pins[row, rng.integers(slots)] = rng.integers(real[row])
    shape = (requests, candidates)
    weights = np.zeros((requests, len(contract.weights)))
    for column, weight in enumerate(contract.weights.values()):
        weights[:, column] = rng.uniform(weight.minimum, weight.maximum, requests)
    return RerankBatch(
        *_draw_side(schema, "user", (requests,), rng),
        *_draw_side(schema, "candidate", shape, rng),
        candidate_mask=torch.from_numpy(mask),
        weights=torch.from_numpy(weights).float(),
        pins=torch.from_numpy(pins),
        dedup_keys=torch.from_numpy(rng.integers(-candidates, candidates, shape).clip(-1)),
        spacing=_draw_spacing(schema, requests, rng),
        quotas=_draw_quotas(schema, requests, slots, rng),
        slots=torch.full((requests,), slots),
        temperature=torch.from_numpy(rng.uniform(0.5, 2.0, requests)).float(),
        seeds=torch.from_numpy(rng.integers(0, 2**62, requests)),
        greedy=torch.from_numpy(rng.random(requests) < 0.5),
    )


def _draw_side(
    schema: FeatureSchema, side: str, shape: tuple[int, ...], rng: np.random.Generator
) -> tuple[Tensor, Tensor]:
    dense: tuple[Feature, ...] = getattr(schema, f"{side}_dense")
    ids: tuple[Feature, ...] = getattr(schema, f"{side}_ids")
    floats = torch.zeros(*shape, len(dense), dtype=torch.float32)
    for column, feature in enumerate(dense):
        low = -1.0 if feature.minimum is None else feature.minimum
        high = 1.0 if feature.maximum is None else feature.maximum
        floats[..., column] = torch.from_numpy(rng.uniform(low, high, shape))
    integers = torch.zeros(*shape, len(ids), dtype=torch.int64)
    for column, feature in enumerate(ids):
        assert feature.kind is FeatureKind.ID
        high_id = 2**62 if feature.hashed else feature.vocabulary
        integers[..., column] = torch.from_numpy(rng.integers(0, high_id, shape))
    for unit in id_units(ids, schema.blocks_of(side)):
        if unit.pool is not None:
            columns = list(unit.columns)
            none = torch.from_numpy(rng.random((*shape, len(columns))) < _SHARE_OF_NO_ENTRIES)
            integers[..., columns] = torch.where(none, unit.empty, integers[..., columns])
    return floats, integers


def _draw_spacing(schema: FeatureSchema, requests: int, rng: np.random.Generator) -> Tensor:
    windows = rng.integers(0, 5, (requests, len(schema.groups)))
    caps = rng.integers(1, 3, windows.shape)
    return torch.from_numpy(np.stack([windows, caps], axis=-1))


def _draw_quotas(
    schema: FeatureSchema, requests: int, slots: int, rng: np.random.Generator
) -> Tensor:
    least = rng.integers(0, 3, (requests, len(schema.flags)))
    most = np.where(
        rng.random(least.shape) < 0.5, -1, np.maximum(least, rng.integers(0, slots + 1))
    )
    return torch.from_numpy(np.stack([least, most], axis=-1))


def to_bytes(batch: RerankBatch, answer: Slates) -> bytes:
    """Tensors under the names of their fields, in the safetensors format."""
    tensors = batch._asdict() | answer._asdict()
    return save({name: tensor.contiguous() for name, tensor in tensors.items()})
