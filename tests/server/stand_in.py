"""A tiny deterministic model, so that the fronts can be tested without a trained one."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

import torch
from torch import Tensor

from gerank.data.batch import RerankBatch
from gerank.data.contract import RequestContract
from tests.data.request_cases import CONTRACT


def choose(batch: RerankBatch, b: int) -> tuple[list[int], list[float], list[int]]:
    """The slate of one request: by the first dense feature, or shuffled by the seed; pins hold.

    Spaced requests report a relaxed rule at slot 1, and those with quotas both rules at slot 2.
    """
    count, slots = int(batch.candidate_mask[b].sum()), int(batch.slots[b])
    keys, pins = batch.dedup_keys[b].tolist(), batch.pins[b].tolist()
    score = batch.candidate_dense[b, :count, 0].double()
    if not batch.greedy[b]:
        generator = torch.Generator().manual_seed(int(batch.seeds[b]))
        score = torch.rand(count, generator=generator, dtype=torch.float64) / batch.temperature[b]
    taken = {keys[pin] for pin in pins if pin >= 0 and keys[pin] >= 0}
    free = []
    for candidate in torch.argsort(score, descending=True, stable=True).tolist():
        if candidate not in pins and keys[candidate] not in taken:
            taken |= {keys[candidate]} - {-1}
            free.append(candidate)
    choices = [pin if pin >= 0 else free.pop(0) if free else -1 for pin in pins[:slots]]
    chosen = [choice >= 0 and pin < 0 for choice, pin in zip(choices, pins, strict=False)]
    log_prob = [-0.1 * (slot + 1) if drawn else 0.0 for slot, drawn in enumerate(chosen)]
    spaced, owed = bool((batch.spacing[b, :, 0] > 0).any()), bool((batch.quotas[b] > 0).any())
    marks = {1: 1 if spaced else 0, 2: 3 if owed else 0}
    return choices, log_prob, [marks.get(slot, 0) * drawn for slot, drawn in enumerate(chosen)]


@dataclass
class StandIn:
    """A `gerank.data.ranking.Model` that counts its forwards and can be held back.

    Attributes:
        model_version: As answers name it.
        gate: While it is not set, a forward waits.
        entered: Set when a forward has begun.
        forwards: How many have begun.
        failure: Raised by the next forward, if given.
        read: Released whenever somebody reads a request against the contract.
    """

    model_version: str = "stand-in-1"
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    forwards: int = 0
    failure: Exception | None = None
    read: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def __post_init__(self) -> None:
        self.gate.set()

    @property
    def contract(self) -> RequestContract:
        """What the tests' requests must satisfy."""
        self.read.release()
        return CONTRACT

    def module(self, *tensors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The forward pass."""
        self.forwards += 1
        self.entered.set()
        assert self.gate.wait(timeout=30)
        if self.failure is not None:
            raise self.failure
        batch = RerankBatch(*tensors)
        slates = torch.full_like(batch.pins, -1)
        log_prob = torch.zeros(batch.pins.shape)
        relaxed = torch.zeros_like(batch.pins)
        for b, slots in enumerate(batch.slots.tolist()):
            choices, log_probs, marks = choose(batch, b)
            slates[b, :slots] = torch.tensor(choices)
            log_prob[b, :slots] = torch.tensor(log_probs)
            relaxed[b, :slots] = torch.tensor(marks)
        return slates, log_prob, relaxed
