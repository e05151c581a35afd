"""Why a slate is as it is: every candidate's probability at every slot, and what ruled it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import RerankBatch
from gerank.data.collate_requests import collate_requests
from gerank.data.pinned_above import below_above, own_slots
from gerank.data.request import Request
from gerank.data.slate import Slate
from gerank.export.artifact import Artifact

_SLATES_AT_ONCE = 4096
_MOST_WORK = 40_000_000  # candidates scored; about half a second on one core


class Obstacle(IntEnum):
    """What ruled a candidate out at a slot: the weakest of the rules that must go to allow it."""

    NONE = 0
    SPACING = 1
    QUOTAS = 2
    TAKEN = 3  # placed before, pinned to another slot, or a duplicate of such a one
    PIN = 4  # the slot is pinned to another candidate


@dataclass(frozen=True, eq=False)
class Steps:
    """The distributions that a slate was drawn from, slot by slot.

    Attributes:
        probabilities: [N, M] float64. 0 where ruled out; a row of zeros for an empty slot.
        obstacles: [N, M] int64, of `Obstacle`.
        withheld: Rule -> [N]. The share of probability that would have gone, without the rule and
            weaker ones, to candidates that it ruled out.
    """

    probabilities: NDArray[np.float64]
    obstacles: NDArray[np.int64]
    withheld: dict[Obstacle, NDArray[np.float64]]


class StepExplainer:
    """Asks the model of an artifact about alternatives to a slate, one per slot and candidate.

    The op that scores given slates knows the rules, so they are not stated once more here: a
    candidate that is allowed as soon as a rule is left out was ruled out by that rule.
    """

    def __init__(self, artifact: Artifact) -> None:
        """Raises StudioError for an artifact that does not show its encoder."""
        if not hasattr(artifact.module, "encode"):
            version = artifact.manifest["versions"]["gerank"]
            raise StudioError(
                f"{artifact.model_version}: written by gerank {version}, whose models answer whole "
                "slates only: export it again to see step probabilities"
            )
        self._artifact = artifact

    def __call__(self, request: Request, slate: Slate) -> Steps:
        """The steps of a slate that this artifact gave (or could give) to a request.

        Slots that would take too long to explain are left out at the end.
        """
        batch = collate_requests([request], self._artifact.contract)
        pins = own_slots(batch, batch.pins)[0]  # [N]
        chosen = torch.full(pins.shape, -1)
        chosen[list(slate.slots)] = torch.tensor(slate.candidates, dtype=torch.int64)
        count = len(request.candidate_ids)
        shown = max(1, min(len(chosen), _MOST_WORK // (count * count * len(chosen))))
        with torch.inference_mode():
            encoded = self._artifact.module.encode(*batch.features, batch.weights)
            alternatives = _alternatives(chosen, count, shown)
            scored = [
                self._probabilities(encoded, variant, alternatives, shown)
                for variant in _weaker(batch)
            ]
        return _steps(scored, pins[:shown])

    def _probabilities(
        self, encoded: Any, batch: RerankBatch, alternatives: Tensor, shown: int
    ) -> Tensor:
        """[shown, M] of alternatives [shown * M, N]; 0 where the rules forbid the candidate."""
        window = self._artifact.module.context_window
        parts = []
        for first in range(0, len(alternatives), _SLATES_AT_ONCE):
            own = alternatives[first : first + _SLATES_AT_ONCE].unsqueeze(0)
            slates = below_above(batch, own)
            scored = torch.ops.gerank.slate_log_prob(*encoded, *batch.rules, slates, window)
            parts.append(own_slots(batch, scored[0])[0])
        log_prob = torch.cat(parts)  # [shown * M, N]
        by_slot = log_prob.view(shown, -1, log_prob.size(1))
        own = torch.stack([by_slot[slot, :, slot] for slot in range(shown)])
        return own.double().exp()


class StudioError(ValueError):
    """What keeps the control page from showing something."""


def _alternatives(chosen: Tensor, count: int, shown: int) -> Tensor:
    """[shown * M, N]: the slate up to a slot, each candidate at the slot, nothing behind it."""
    slates = torch.full((shown, count, len(chosen)), -1)
    for slot in range(shown):
        slates[slot, :, :slot] = chosen[:slot]
        slates[slot, :, slot] = torch.arange(count)
    return slates.flatten(0, 1)


def _weaker(batch: RerankBatch) -> tuple[RerankBatch, RerankBatch, RerankBatch]:
    """The batch with its rules, without spacing, and without quotas either."""
    unspaced = batch._replace(spacing=torch.zeros_like(batch.spacing))
    free = torch.tensor([0, -1]).expand_as(batch.quotas).contiguous()
    return batch, unspaced, unspaced._replace(quotas=free)


def _steps(scored: list[Tensor], pins: Tensor) -> Steps:
    """From probabilities [N, M] under ever fewer rules, and the pins [N]."""
    with_rules, unspaced, free = (part.numpy() for part in scored)
    obstacles = np.full(with_rules.shape, Obstacle.TAKEN, np.int64)
    obstacles[free > 0] = Obstacle.QUOTAS
    obstacles[unspaced > 0] = Obstacle.SPACING
    obstacles[with_rules > 0] = Obstacle.NONE
    pinned = pins.numpy() >= 0
    obstacles[pinned] = np.where(with_rules[pinned] > 0, Obstacle.NONE, Obstacle.PIN)
    withheld = {
        Obstacle.SPACING: np.where(obstacles == Obstacle.SPACING, unspaced, 0.0).sum(1),
        Obstacle.QUOTAS: np.where(obstacles == Obstacle.QUOTAS, free, 0.0).sum(1),
    }
    return Steps(with_rules, obstacles, withheld)
