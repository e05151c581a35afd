"""Who says what a slate is worth: an evaluator, or the truth of a simulator."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorTruth
from gerank.rl.rewards import weighted_reward
from gerank.train.config import UtilityConfig
from gerank.train.feedback import Feedback, FullFeedback
from gerank.train.pages import row_batches
from gerank.train.reward import UtilityReward

_PAGES_AT_ONCE = 512


class PageJudge:
    """Predicted feedback as a judge of whole logs.

    A utility over the batch sees 512 pages at a time, in the order of the log.
    """

    def __init__(
        self, feedback: Feedback, log: ExposureLog, reward: Mapping[str, UtilityConfig]
    ) -> None:
        self._reward = UtilityReward(feedback, log.schema, reward)
        self._log = log

    def utilities(self, slates: Tensor) -> Tensor:
        """[E, U] of one slate per page: slates [E, N]."""
        parts = []
        for rows in row_batches(np.arange(len(self._log)), _PAGES_AT_ONCE):
            utilities = self._reward(rows, self._log.batch(rows), slates[rows].unsqueeze(1))
            parts.append(utilities.squeeze(1))
        return torch.cat(parts)

    def rewards(self, slates: Tensor, weights: Tensor) -> Tensor:
        """R_w [E] of one slate per page: slates [E, N], weights [U]."""
        return weighted_reward(self.utilities(slates), weights.expand(len(slates), -1))

    def feedback(self, slates: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of any click [E] and of a click per slot [E, N] of slates [E, N]."""
        pages_clicked, slots_clicked = [], []
        for rows in row_batches(np.arange(len(self._log)), _PAGES_AT_ONCE):
            judged = self._reward.judge(rows, self._log.batch(rows), slates[rows].unsqueeze(1))
            pages_clicked.append(judged.page_click.squeeze(1))
            slots_clicked.append(judged.slot_click.squeeze(1))
        return torch.cat(pages_clicked), torch.cat(slots_clicked)

    def further(self, slates: Tensor) -> dict[str, Tensor]:
        """Kind of further feedback -> expected value per slot [E, N] of slates [E, N].

        Who predicts clicks alone answers nothing.
        """
        feedback, parts = self._reward.feedback, []
        if not isinstance(feedback, FullFeedback):
            return {}
        for rows in row_batches(np.arange(len(self._log)), _PAGES_AT_ONCE):
            pages, some = self._log.batch(rows), slates[rows].unsqueeze(1)
            slot_click, _ = feedback(rows, pages, some)
            parts.append(feedback.further(pages, some, slot_click))
        names = parts[0] if parts else {}
        return {name: torch.cat([part[name].squeeze(1) for part in parts]) for name in names}


def true_clicks(truth: SimulatorTruth, slates: Tensor) -> Tensor:
    """Expected clicks [E] of one slate [E, N] per page, as the simulator's user really clicks."""
    return truth.expected_clicks(np.arange(len(slates)), slates)
