"""From checked requests to the one padded batch that a generator takes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import RerankBatch
from gerank.data.contract import RequestContract
from gerank.data.feature_columns import dense_matrix, id_matrix
from gerank.data.request import Request


def collate_requests(requests: Sequence[Request], contract: RequestContract) -> RerankBatch:
    """Pads B requests to their largest M and N.

    Args:
        requests: Each of them passed `check_request`. A seed that is not settled counts as 0.
        contract: The one they were checked against.

    Returns:
        The positional arguments of the generator, on the CPU.
    """
    counts = torch.tensor([len(r.candidate_ids) for r in requests], dtype=torch.int64)  # [B]
    slots = torch.tensor(
        [r.slots or contract.max_slots for r in requests], dtype=torch.int64
    )  # [B]
    rows = max((len(request.candidate_ids) for request in requests), default=0)  # M
    seeds = np.array([request.seed or 0 for request in requests], np.uint64)
    user_dense, user_ids = _user_features(requests, contract)
    candidate_dense, candidate_ids = _candidate_features(requests, contract, rows)
    return RerankBatch(
        user_dense=user_dense,
        user_ids=user_ids,
        candidate_dense=candidate_dense,
        candidate_ids=candidate_ids,
        candidate_mask=torch.arange(rows) < counts[:, None],
        weights=_weights(requests, contract),
        pins=_pins(requests, int(slots.max()) if requests else 0),
        dedup_keys=_dedup_keys(requests, rows),
        spacing=_spacing(requests, contract.schema.groups),
        quotas=_quotas(requests, contract.schema.flags),
        slots=slots,
        temperature=torch.tensor([r.temperature for r in requests], dtype=torch.float32),
        seeds=torch.from_numpy(seeds.view(np.int64)),
        greedy=torch.tensor([r.greedy for r in requests], dtype=torch.bool),
    )


def _user_features(requests: Sequence[Request], contract: RequestContract) -> tuple[Tensor, Tensor]:
    schema = contract.schema
    dense = np.zeros((len(requests), len(schema.user_dense)), np.float32)
    ids = np.zeros((len(requests), len(schema.user_ids)), np.int64)
    for b, request in enumerate(requests):
        columns = {name: [value] for name, value in request.user.items()}
        dense[b] = dense_matrix("user", columns, schema.user_dense, 1)[0]
        ids[b] = id_matrix("user", columns, schema.user_ids, 1)[0]
    return torch.from_numpy(dense), torch.from_numpy(ids)


def _candidate_features(
    requests: Sequence[Request], contract: RequestContract, rows: int
) -> tuple[Tensor, Tensor]:
    schema = contract.schema
    dense = np.zeros((len(requests), rows, len(schema.candidate_dense)), np.float32)
    ids = np.zeros((len(requests), rows, len(schema.candidate_ids)), np.int64)
    for b, request in enumerate(requests):
        columns, count = request.candidates, len(request.candidate_ids)
        dense[b, :count] = dense_matrix("candidates", columns, schema.candidate_dense, count)
        ids[b, :count] = id_matrix("candidates", columns, schema.candidate_ids, count)
    return torch.from_numpy(dense), torch.from_numpy(ids)


def _weights(requests: Sequence[Request], contract: RequestContract) -> Tensor:
    weights = np.empty((len(requests), len(contract.weights)), np.float32)
    for b, request in enumerate(requests):
        weights[b] = [
            request.weights.get(name, allowed.default) for name, allowed in contract.weights.items()
        ]
    return torch.from_numpy(weights)


def _pins(requests: Sequence[Request], width: int) -> Tensor:
    pins = np.full((len(requests), width), -1, np.int64)
    for b, request in enumerate(requests):
        for pin in request.pins:
            pins[b, pin.slot] = pin.candidate
    return torch.from_numpy(pins)


def _dedup_keys(requests: Sequence[Request], rows: int) -> Tensor:
    keys = np.full((len(requests), rows), -1, np.int64)
    for b, request in enumerate(requests):
        if request.dedup_keys is not None:
            keys[b, : len(request.dedup_keys)] = request.dedup_keys
    return torch.from_numpy(keys)


def _spacing(requests: Sequence[Request], groups: tuple[str, ...]) -> Tensor:
    spacing = np.zeros((len(requests), len(groups), 2), np.int64)
    for b, request in enumerate(requests):
        for rule in request.spacing:
            spacing[b, groups.index(rule.group)] = rule.window, rule.cap
    return torch.from_numpy(spacing)


def _quotas(requests: Sequence[Request], flags: tuple[str, ...]) -> Tensor:
    quotas = np.empty((len(requests), len(flags), 2), np.int64)
    quotas[:] = 0, -1
    for b, request in enumerate(requests):
        for rule in request.quotas:
            maximum = -1 if rule.maximum is None else rule.maximum
            quotas[b, flags.index(rule.flag)] = rule.minimum, maximum
    return torch.from_numpy(quotas)
