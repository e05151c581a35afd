"""Logistic regression of clicks on the features of an item, its slot and the person.

What every team has run first. Richardson, Dominowska and Ragno, "Predicting clicks: estimating the
click-through rate for new ads", WWW 2007. Slots are columns of their own, so that an item is not
blamed for where it stood; candidates are compared as if each stood in the first slot. It needs the
package scikit-learn, which `pip install 'gerank[compare]'` brings.
"""

from __future__ import annotations

import importlib.util
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.baselines.candidate_table import CandidateTable, on_pages
from gerank.baselines.comparator import Pages, UnfitPagesError
from gerank.baselines.slotwise import SlotScores, SlotwiseComparator, fixed
from gerank.data.batch import ExposureBatch
from gerank.data.exposure_log import ExposureLog
from gerank.rl.utilities import page_click

_MOST_STEPS = 500


class LogisticClicks:
    """A click model of slots that knows nothing of the rest of the page: also a `Feedback`."""

    def __init__(self, log: ExposureLog, rows: NDArray[np.int64], strength: float = 0.01) -> None:
        """Fits it.

        Args:
            log: Logged pages.
            rows: Those that teach, by all slots that they showed.
            strength: Inverse of the ridge penalty, on standardised columns.

        Raises:
            ImportError: scikit-learn is not installed.
            UnfitPagesError: All slots are clicked, or none is.
        """
        make_pipeline, scaler, regression = _sklearn()
        self._table = CandidateTable(log.schema)
        self._slots = int(np.diff(log.slate_offsets)[rows].max())
        table, clicks, _ = self._table.shown(log, rows)
        clicked = clicks > 0
        if clicked.all() or not clicked.any():
            raise UnfitPagesError(
                f"train: {int(clicked.sum())} of {len(clicked)} slots are clicked; clicks and no "
                "clicks are needed"
            )
        model = make_pipeline(scaler(), regression(C=strength, max_iter=_MOST_STEPS))
        self._model = model.fit(self._table.one_hot(table, self._slots), clicked)

    def first_slot(self, log: ExposureLog, rows: NDArray[np.int64]) -> NDArray[np.float64]:
        """[B, M] click probability of every candidate in the first slot; 0 at padding."""
        return on_pages(self._predict(self._table.candidates(log, rows)), log, rows)

    def __call__(
        self, rows: NDArray[Any], pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        """See `gerank.train.feedback.Feedback`."""
        click = torch.zeros(slates.shape)
        predicted = self._predict(self._table(pages, slates))
        click[slates >= 0] = torch.from_numpy(predicted).float()
        return click, page_click(click, slates >= 0)

    def _predict(self, table: NDArray[np.float32]) -> NDArray[np.float64]:
        probability: NDArray[np.float64] = self._model.predict_proba(
            self._table.one_hot(table, self._slots)
        )
        return probability[:, 1]


class LogisticRegressionOrder(SlotwiseComparator):
    """Sorts by the click probability in the first slot.

    Settings:
        strength: Inverse of the ridge penalty, on standardised columns.
    """

    name = "logistic_regression"
    paper = "Richardson et al., WWW 2007"
    not_served = "its columns and regression are computed by NumPy and scikit-learn"
    draws = False
    grid = MappingProxyType({"strength": (0.01, 0.001, 0.1)})

    def fit(self, pages: Pages) -> None:
        """See `LogisticClicks`."""
        self._clicks = LogisticClicks(pages.log, pages.train, self.settings["strength"])

    def scores(self, log: ExposureLog, rows: NDArray[np.int64]) -> SlotScores:
        """See `SlotwiseComparator`."""
        return fixed(self._clicks.first_slot(log, rows))


def _sklearn() -> tuple[Any, Any, Any]:
    if importlib.util.find_spec("sklearn") is None:
        raise ImportError("logistic regression needs scikit-learn: pip install 'gerank[compare]'")
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    return make_pipeline, StandardScaler, LogisticRegression
