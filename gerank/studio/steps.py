"""Why a slate is as it is: every candidate's probability at every slot, and what ruled it out."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.batch import RerankBatch
from gerank.data.collate_requests import collate_requests
from gerank.data.pinned_above import own_slots
from gerank.data.request import Request
from gerank.data.slate import Slate
from gerank.export.artifact import Artifact
from gerank.nn.step_probabilities import step_probabilities

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
            module = self._artifact.module
            encoded = module.encode(*batch.features, batch.weights)
            scored = [
                step_probabilities(encoded, variant, chosen, count, module.context_window, shown)
                for variant in _weaker(batch)
            ]
        return _steps(scored, pins[:shown])


class StudioError(ValueError):
    """What keeps the control page from showing something."""


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
