"""Random models and batches for tests of the networks: all rules, ragged, greedy and sampled."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gerank.data.batch import ExposureBatch, RerankBatch, SlotsAbove
from gerank.data.contract import RequestContract, WeightRange
from gerank.data.schema import FeatureSchema
from gerank.export.golden import draw_batch
from gerank.nn.channel_residual import ChannelResidual, ResidualShape
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.nn.features import FeatureEncoder
from gerank.nn.generator import Generator, GeneratorShape
from gerank.nn.structured import StructuredEvaluator, StructuredShape
from tests.data.request_cases import CONTRACT, MAX_CANDIDATES, MAX_SLOTS

SHAPE = GeneratorShape(width=16, attention_width=12, embedding_width=3, utilities=2)
RESIDUAL = ResidualShape(MAX_SLOTS, width=12, embedding_width=3, heads=3, dropout=0.2)


def random_batch(seed: int, requests: int = 24, candidates: int = MAX_CANDIDATES) -> RerankBatch:
    """Requests within `CONTRACT`, with 1..M candidates and 1..N slots."""
    batch = draw_batch(CONTRACT, requests, candidates, seed)
    source = torch.Generator().manual_seed(seed)
    slots = torch.randint(1, MAX_SLOTS + 1, (requests,), generator=source)
    inside = torch.arange(MAX_SLOTS) < slots[:, None]
    return batch._replace(slots=slots, pins=torch.where(inside, batch.pins, -1))


def random_generator(seed: int, **shape: Any) -> Generator:
    """A generator whose every parameter matters: what training starts at zero is drawn too.

    `shape`: of `GeneratorShape`, beside what `SHAPE` says.
    """
    torch.manual_seed(seed)
    generator = Generator(CONTRACT.schema, replace(SHAPE, **shape))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    _fit(generator.features)
    return generator.eval()


def random_structured(
    seed: int, reading: str = "hidden_reader", members: int = 1, schema: FeatureSchema | None = None
) -> StructuredEvaluator:
    """A structured evaluator whose every parameter matters: what starts at zero is drawn too."""
    torch.manual_seed(seed)
    shape = StructuredShape(MAX_SLOTS, reading, members, embedding_width=3)
    evaluator = StructuredEvaluator(schema or CONTRACT.schema, shape)
    _draw_parameters(evaluator)
    if schema is None:
        _fit(evaluator.features)
    return evaluator.eval()


def random_residual(seed: int, shape: ResidualShape = RESIDUAL) -> ChannelResidual:
    """The channels of a shape, whose last layer is drawn."""
    torch.manual_seed(seed)
    residual = ChannelResidual(CONTRACT.schema, shape)
    _draw_last_layers(residual)
    _fit(residual.features)
    return residual.eval()


def random_evaluator(seed: int, *, residual: bool = True) -> Evaluator:
    """An evaluator that knows no support yet."""
    torch.manual_seed(seed)
    structured = StructuredShape(MAX_SLOTS, "examination", embedding_width=3)
    evaluator = Evaluator(
        CONTRACT.schema, EvaluatorShape(structured, RESIDUAL if residual else None)
    )
    _draw_parameters(evaluator.structured)
    _fit(evaluator.structured.features)
    if evaluator.residual is not None:
        _draw_last_layers(evaluator.residual)
        _fit(evaluator.residual.features)
    return evaluator.eval()


def _draw_parameters(model: nn.Module) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))


def _draw_last_layers(residual: ChannelResidual) -> None:
    with torch.no_grad():
        residual.repeats_side.weight.normal_()
        residual.slot_last.weight.normal_()


def _fit(features: FeatureEncoder) -> None:
    batch = draw_batch(CONTRACT, 200, MAX_CANDIDATES, seed=1)
    features.user_scale.fit(lambda: [batch.user_dense])
    features.candidate_scale.fit(lambda: [batch.candidate_dense[batch.candidate_mask]])


def random_slates(batch: RerankBatch, seed: int, group: int = 1) -> Tensor:
    """[B, G, N] real candidates without repeats, then -1."""
    source = torch.Generator().manual_seed(seed)
    requests, candidates = batch.candidate_mask.shape
    keys = torch.rand(requests, group, candidates, generator=source)
    keys = keys.masked_fill(~batch.candidate_mask.unsqueeze(1), 2.0)
    order = keys.argsort(dim=-1)[..., :MAX_SLOTS]
    there = torch.arange(order.size(-1)) < batch.candidate_mask.sum(1).view(-1, 1, 1)
    slates = torch.where(there, order, -1)
    cut = torch.randint(1, MAX_SLOTS + 1, (requests, group, 1), generator=source)
    return torch.where(torch.arange(order.size(-1)) < cut, slates, -1)


def with_holes(slates: Tensor, seed: int) -> Tensor:
    """The same slates [B, G, N], where a slot in five is emptied."""
    source = torch.Generator().manual_seed(seed)
    return slates.masked_fill(torch.rand(slates.shape, generator=source) < 0.2, -1)


def exposed(batch: RerankBatch, slates: Tensor, seed: int = 0) -> ExposureBatch:
    """The requests as logged pages that showed `slates` [B, N], with random clicks."""
    source = torch.Generator().manual_seed(seed)
    clicks = (torch.rand(slates.shape, generator=source) < 0.4) & (slates >= 0)
    unknown = torch.full(slates.shape, torch.nan)
    above = SlotsAbove.nothing(len(slates), batch.candidate_ids.size(2))
    return ExposureBatch(*batch.features, slates, clicks.float(), unknown, unknown, *above)


def pages_of(schema: FeatureSchema, seed: int) -> tuple[RerankBatch, ExposureBatch]:
    """Six requests of a schema, and the same as logged pages."""
    contract = RequestContract(
        schema, MAX_CANDIDATES, MAX_SLOTS, {"clicks": WeightRange(1.0, 1.0, 1.0)}
    )
    batch = draw_batch(contract, 6, MAX_CANDIDATES, seed)
    return batch, exposed(batch, random_slates(batch, seed).squeeze(1), seed)


def doubled(batch: RerankBatch) -> RerankBatch:
    """In float64, where rounding decides no argmax."""
    return RerankBatch(*(t.double() if t.is_floating_point() else t for t in batch))


def row(batch: RerankBatch, index: int) -> RerankBatch:
    """One request, alone."""
    return RerankBatch(*(tensor[index : index + 1] for tensor in batch))


def random_orders(batch: RerankBatch, seed: int) -> Tensor:
    """[B, M] a permutation per request; padding may land anywhere."""
    source = torch.Generator().manual_seed(seed)
    return torch.rand(batch.candidate_mask.shape, generator=source).argsort(dim=1)


def permuted(batch: RerankBatch, order: Tensor) -> RerankBatch:
    """Candidate order[b, m] of request b stands at place m."""
    place = order.argsort(dim=1)
    return batch._replace(
        candidate_dense=_rows(batch.candidate_dense, order),
        candidate_ids=_rows(batch.candidate_ids, order),
        candidate_mask=batch.candidate_mask.gather(1, order),
        dedup_keys=batch.dedup_keys.gather(1, order),
        pins=moved(batch.pins, place),
    )


def moved(slates: Tensor, place: Tensor) -> Tensor:
    """Slates [B, N] of candidates that now stand at place [B, M]; -1 stays."""
    return torch.where(slates >= 0, place.gather(1, slates.clamp(min=0)), -1)


def _rows(values: Tensor, order: Tensor) -> Tensor:
    return values.gather(1, order.unsqueeze(-1).expand(-1, -1, values.size(-1)))


def padded(batch: RerankBatch, candidates: int, slots: int) -> RerankBatch:
    """More padding, and what lies in it is garbage."""
    return batch._replace(
        candidate_dense=pad(batch.candidate_dense, (0, 0, 0, candidates), value=1e6),
        candidate_ids=pad(batch.candidate_ids, (0, 0, 0, candidates), value=1),
        candidate_mask=pad(batch.candidate_mask, (0, candidates), value=False),
        dedup_keys=pad(batch.dedup_keys, (0, candidates), value=0),
        pins=pad(batch.pins, (0, slots), value=-1),
    )


def without_gradient(model: nn.Module) -> list[str]:
    """Names of the parameters that the last backward pass gave nothing."""
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.grad is None or not parameter.grad.any()
    ]
