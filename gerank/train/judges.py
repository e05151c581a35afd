"""Who says what a slate is worth: an evaluator, or the truth of a simulator."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorTruth
from gerank.nn.evaluator import Evaluator
from gerank.rl.rewards import weighted_reward
from gerank.train.pages import row_batches
from gerank.train.reward import EvaluatorReward

_PAGES_AT_ONCE = 512


class PageJudge:
    """An evaluator as a judge of whole logs."""

    def __init__(self, evaluator: Evaluator, log: ExposureLog, utilities: list[str]) -> None:
        self._reward = EvaluatorReward(evaluator, log.schema, utilities)
        self._log = log

    def rewards(self, slates: Tensor, weights: Tensor) -> Tensor:
        """R_w [E] of one slate per page: slates [E, N], weights [U]."""
        parts = []
        for rows in row_batches(np.arange(len(self._log)), _PAGES_AT_ONCE):
            pages = self._log.batch(rows)
            utilities = self._reward(rows, pages, slates[rows].unsqueeze(1))
            parts.append(weighted_reward(utilities, weights.expand(len(rows), -1)).squeeze(1))
        return torch.cat(parts)

    def feedback(self, slates: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of any click [E] and of a click per slot [E, N] of slates [E, N]."""
        pages_clicked, slots_clicked = [], []
        for rows in row_batches(np.arange(len(self._log)), _PAGES_AT_ONCE):
            judged = self._reward.judge(self._log.batch(rows), slates[rows].unsqueeze(1))
            pages_clicked.append(judged.page_click.squeeze(1))
            slots_clicked.append(judged.slot_click.squeeze(1))
        return torch.cat(pages_clicked), torch.cat(slots_clicked)


def true_clicks(truth: SimulatorTruth, slates: Tensor) -> Tensor:
    """Expected clicks [E] of one slate [E, N] per page, as the simulator's user really clicks."""
    return truth.expected_clicks(np.arange(len(slates)), slates)
