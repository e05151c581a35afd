"""The logged page: what the system that filled the log showed, and what any other is to beat."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.comparator import Comparator, Pages
from gerank.data.batch import pad_slots
from gerank.data.exposure_log import ExposureLog


class LoggedPage(Comparator):
    """Answers with the slate that was shown, cut to the slots that are asked for.

    It learns nothing, and it alone sees the logged order.
    """

    name = "logged"
    paper = "the log itself"
    not_served = "it shows what was logged, which no request tells"
    draws = False

    def fit(self, pages: Pages) -> None:
        """Nothing is learnt."""

    def slates(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> Tensor:
        """See `Comparator`."""
        return pad_slots(log.shown(rows, slots).slates, slots)
