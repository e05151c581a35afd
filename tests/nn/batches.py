"""Random models and batches for tests of the networks: all rules, ragged, greedy and sampled."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from gerank.data.batch import RerankBatch
from gerank.export.golden import draw_batch
from gerank.nn.evaluator import Evaluator, EvaluatorShape
from gerank.nn.generator import Generator, GeneratorShape
from tests.data.request_cases import CONTRACT, MAX_CANDIDATES, MAX_SLOTS

SHAPE = GeneratorShape(width=16, attention_width=12, embedding_width=3, utilities=2)


def random_batch(seed: int, requests: int = 24, candidates: int = MAX_CANDIDATES) -> RerankBatch:
    """Requests within `CONTRACT`, with 1..M candidates and 1..N slots."""
    batch = draw_batch(CONTRACT, requests, candidates, seed)
    source = torch.Generator().manual_seed(seed)
    slots = torch.randint(1, MAX_SLOTS + 1, (requests,), generator=source)
    inside = torch.arange(MAX_SLOTS) < slots[:, None]
    return batch._replace(slots=slots, pins=torch.where(inside, batch.pins, -1))


def random_generator(seed: int, *, controllable: bool = False) -> Generator:
    """A generator whose every parameter matters: what training starts at zero is drawn too."""
    torch.manual_seed(seed)
    generator = Generator(CONTRACT.schema, replace(SHAPE, controllable=controllable))
    with torch.no_grad():
        for parameter in generator.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    _fit(generator)
    return generator.eval()


def random_evaluator(seed: int, slots: int = MAX_SLOTS) -> Evaluator:
    """An evaluator without dropout."""
    torch.manual_seed(seed)
    shape = EvaluatorShape(slots, width=12, embedding_width=3, heads=3, dropout=0.2)
    evaluator = Evaluator(CONTRACT.schema, shape)
    with torch.no_grad():
        for started_at_zero in (evaluator.repeats_side, evaluator.page_click):
            started_at_zero.weight.normal_()
    _fit(evaluator)
    return evaluator.eval()


def _fit(model: Generator | Evaluator) -> None:
    batch = draw_batch(CONTRACT, 200, MAX_CANDIDATES, seed=1)
    model.features.user_scale.fit(batch.user_dense)
    model.features.candidate_scale.fit(batch.candidate_dense[batch.candidate_mask])


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
