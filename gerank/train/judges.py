"""Who says what a slate is worth: an evaluator, or the truth of a simulator."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from gerank.data.exposure_log import ExposureLog
from gerank.data.simulator import SimulatorTruth
from gerank.rl.rewards import weighted_reward
from gerank.train.config import UtilityConfig
from gerank.train.feedback import Feedback, FullFeedback
from gerank.train.page_batches import by_page
from gerank.train.reward import UtilityReward

_PAGES_AT_ONCE = 512


class PageJudge:
    """Predicted feedback as a judge of whole logs.

    A utility over the batch sees up to 512 pages at a time, of like length and in the log's order.
    """

    def __init__(
        self, feedback: Feedback, log: ExposureLog, reward: Mapping[str, UtilityConfig]
    ) -> None:
        self._reward = UtilityReward(feedback, log.schema, reward)
        self._log, self._rows = log, np.arange(len(log))

    def utilities(self, slates: Tensor) -> Tensor:
        """[E, U] of one slate per page: slates [E, N]."""

        def told(rows: np.ndarray) -> tuple[Tensor]:
            utilities = self._reward(rows, self._log.batch(rows), slates[rows].unsqueeze(1))
            return (utilities.squeeze(1),)

        return by_page(self._log, self._rows, _PAGES_AT_ONCE, told)[0]

    def rewards(self, slates: Tensor, weights: Tensor) -> Tensor:
        """R_w [E] of one slate per page: slates [E, N], weights [U]."""
        return weighted_reward(self.utilities(slates), weights.expand(len(slates), -1))

    def feedback(self, slates: Tensor) -> tuple[Tensor, Tensor]:
        """Probabilities of any click [E] and of a click per slot [E, N] of slates [E, N]."""

        def told(rows: np.ndarray) -> tuple[Tensor, Tensor]:
            judged = self._reward.judge(rows, self._log.batch(rows), slates[rows].unsqueeze(1))
            return judged.page_click.squeeze(1), judged.slot_click.squeeze(1)

        page, slot = by_page(self._log, self._rows, _PAGES_AT_ONCE, told)
        return page, slot

    def further(self, slates: Tensor) -> dict[str, Tensor]:
        """Kind of further feedback -> expected value per slot [E, N] of slates [E, N].

        Who predicts clicks alone answers nothing.
        """
        feedback = self._reward.feedback
        if not isinstance(feedback, FullFeedback):
            return {}
        names: list[str] = []

        def told(rows: np.ndarray) -> tuple[Tensor, ...]:
            pages, some = self._log.batch(rows), slates[rows].unsqueeze(1)
            slot_click, _ = feedback(rows, pages, some)
            further = feedback.further(pages, some, slot_click)
            names[:] = further
            return tuple(values.squeeze(1) for values in further.values())

        values = by_page(self._log, self._rows, _PAGES_AT_ONCE, told)
        return dict(zip(names, values, strict=True))


def true_clicks(truth: SimulatorTruth, slates: Tensor) -> Tensor:
    """Expected clicks [E] of one slate [E, N] per page, as the simulator's user really clicks."""
    return truth.expected_clicks(np.arange(len(slates)), slates)
