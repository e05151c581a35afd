"""What a slate is worth: named utilities, and how far each of them can be moved."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from torch import Tensor

from gerank.data.batch import ExposureBatch, pad_slots
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.rl.rewards import utility_scales
from gerank.train.config import UtilityConfig
from gerank.train.feedback import Feedback, FullFeedback
from gerank.train.judged import JudgedSlates
from gerank.train.page_batches import by_page
from gerank.train.utilities import OF_FEEDBACK, build_utilities, utility_kind

_STATISTICS_PAGES, _STATISTICS_SLATES = 1024, 4


class Reward(Protocol):
    """Anything that scores slates; it need not be differentiable."""

    def __call__(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """Utilities [B, G, U] of slates [B, G, N] for the log's pages `rows` [B]."""
        ...


@runtime_checkable
class SlotReward(Reward, Protocol):
    """A reward that also says what each slot adds to it.

    Where slots under a slot have a part in what it adds, the attribute `slots_below` says how many;
    without one, none has.
    """

    def by_slot(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """[B, G, N, U], whose sum over slots is the call's answer [B, G, U]."""
        ...


class UtilityReward:
    """The utilities of a configuration; generated and exposed pages are scored alike."""

    def __init__(
        self, feedback: Feedback, schema: FeatureSchema, reward: Mapping[str, UtilityConfig]
    ) -> None:
        """Raises ConfigError for a utility that does not fit the schema."""
        self.feedback = feedback
        self.slots_below: int = getattr(feedback, "slots_below", 0)
        self.schema = schema
        self.functions = build_utilities(reward, schema)
        kinds = [utility_kind(name, config, schema)[0] for name, config in reward.items()]
        self.reads_further = any(kind in OF_FEEDBACK or ":" in kind for kind in kinds)

    def __call__(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """Utilities [B, G, U] of slates [B, G, N]; see `Reward`.

        Raises:
            UtilityError: A user's function answers something else than a utility.
        """
        return self._utilities(self.judge(rows, exposures, slates))

    @torch.no_grad()
    def by_slot(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """Utilities [B, G, N, U] by slot; see `SlotReward`.

        Raises:
            UtilityError: A user's function answers something else than a utility.
        """
        judged = self.judge(rows, exposures, slates)
        return torch.stack([function.by_slot(judged) for function in self.functions], dim=-1)

    @torch.no_grad()
    def judge(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> JudgedSlates:
        """What users are expected to do with slates [B, G, N]."""
        slot_click, page_click = self.feedback(rows, exposures, slates)
        further: dict[str, Tensor] = {}
        if self.reads_further and isinstance(self.feedback, FullFeedback):
            further = self.feedback.further(exposures, slates, slot_click)
        return JudgedSlates(
            self.schema, exposures, slates, slot_click, page_click, expected=further
        )

    def ungated(self, rows: np.ndarray, exposures: ExposureBatch, slates: Tensor) -> Tensor:
        """As a call, but with all gates over the batch open: for statistics."""
        return self._utilities(replace(self.judge(rows, exposures, slates), gated=False))

    @torch.no_grad()
    def _utilities(self, judged: JudgedSlates) -> Tensor:
        return torch.stack([function(judged) for function in self.functions], dim=-1)


class RewardStatistics(NamedTuple):
    """Holds the mean and the spread of the utilities on logged pages.

    Attributes:
        exposed: [U]. Mean over the pages that were shown.
        scale: [U]. Deviation over slates of one page, see `gerank.rl.rewards.utility_scales`.
    """

    exposed: Tensor
    scale: Tensor


def reward_statistics(
    reward: UtilityReward, log: ExposureLog, rows: np.ndarray, slots: int, seed: int
) -> RewardStatistics:
    """Looks at the exposed slate and at random ones of up to 1,024 logged pages.

    Args:
        reward: Its utilities are looked at with open gates.
        log: The pages.
        rows: Which of them may be drawn.
        slots: N.
        seed: Seeds the choice of pages and slates.
    """
    rng = np.random.default_rng(seed)
    some = rng.permutation(rows)[:_STATISTICS_PAGES]

    def told(places: np.ndarray) -> tuple[Tensor]:
        pages = log.batch(some[places], slots)
        real = pages.candidate_mask
        # A permutation of the real candidates: noise sorted, padding behind.
        noise = torch.from_numpy(rng.random((len(places), _STATISTICS_SLATES, real.size(1))))
        order = noise.masked_fill(~real.unsqueeze(1), 2.0).argsort(dim=-1)
        order = order.masked_fill(torch.arange(real.size(1)) >= real.sum(1).view(-1, 1, 1), -1)
        both = (pages.slates.unsqueeze(1), order[..., :slots])
        slates = torch.cat([pad_slots(each, slots) for each in both], dim=1)
        return (reward.ungated(some[places], pages, slates),)

    (utilities,) = by_page(log, some, _STATISTICS_PAGES, told)
    return RewardStatistics(utilities[:, 0].mean(0), utility_scales(utilities))
