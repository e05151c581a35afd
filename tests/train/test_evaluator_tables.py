"""Figures of evaluators, against direct loops and evaluators whose figures are known."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from gerank.data.batch import ExposureBatch
from gerank.metrics.intervals import Interval
from gerank.train.config import UtilityConfig
from gerank.train.evaluator_tables import (
    LoggedPages,
    auc_within_pages,
    calibration_table,
    order_table,
)
from gerank.train.feedback import EvaluatorFeedback
from gerank.train.judges import PageJudge
from gerank.train.orders import exposed_slates
from gerank.train.run_folder import RunFolder
from tests.train.tiny import SLOTS, tiny_log
from tests.train.uniform_log import uniform_log

CLICKS = {"clicks": UtilityConfig()}


class LengthAlone:
    """Knows nothing but that a slot of a short page is clicked more often."""

    def __call__(
        self, rows: np.ndarray, pages: ExposureBatch, slates: Tensor
    ) -> tuple[Tensor, Tensor]:
        filled = slates >= 0
        click = filled / filled.sum(-1, keepdim=True).clamp(min=1)
        return click, click.amax(-1)


def test_knowing_the_length_alone_looks_good_over_all_pages_and_not_within_them(seed: int) -> None:
    log = uniform_log(seed, pages=600, people=60, candidates=(2, 12), click_rate=0.0)
    rng = np.random.default_rng(seed)
    clicked = log.slate_offsets[:-1] + rng.integers(np.diff(log.slate_offsets))
    log.clicks[clicked] = 1.0  # one of each page, wherever
    judge = PageJudge(LengthAlone(), log, CLICKS)
    (row,) = order_table({"length": judge}, log, exposed_slates(log, 12)).rows
    figures = dict(zip(order_table({}, log, exposed_slates(log, 12)).columns, row, strict=True))
    within = figures["slot AUC within pages"]
    assert isinstance(within, Interval)
    assert within.estimate == 0.5
    over_all = figures["slot AUC over all pages"]
    assert isinstance(over_all, float)
    assert over_all > 0.6


def test_auc_within_pages_is_that_of_each_page_by_scikit_learn(seed: int) -> None:
    log = uniform_log(seed, candidates=(1, 6))
    scores = np.random.default_rng(seed).random((len(log), 5))
    logged = LoggedPages.of(log, 5)
    for page, found in enumerate(auc_within_pages(logged, scores)):
        filled = logged.filled[page]
        clicks = logged.clicks[page][filled]
        if 0 < clicks.sum() < len(clicks):
            assert found == pytest.approx(roc_auc_score(clicks, scores[page][filled]))
        else:
            assert np.isnan(found)


def test_clicks_per_page_stand_beside_each_other(run: RunFolder) -> None:
    log, _ = tiny_log(80, seed=1)
    shown = exposed_slates(log, SLOTS)
    evaluator = EvaluatorFeedback(run.load_evaluator())
    judge = PageJudge(evaluator, log, CLICKS)
    table = calibration_table({"a": judge, "b": judge}, evaluator, log, shown)
    predicted = judge.feedback(shown)[1].sum(1).mean().item()
    first, second = (dict(zip(table.columns, row, strict=True)) for row in table.rows)
    assert first["clicks per page, predicted"] == pytest.approx(predicted, rel=1e-5)
    logged = first["clicks per page, logged"]
    assert isinstance(logged, Interval)
    assert logged.estimate == pytest.approx(log.clicks.sum() / len(log))
    assert isinstance(first["error, two or more"], float)
    assert second["error, two or more"] is None
    assert first["error, any click"] == second["error, any click"]


def test_logged_pages_are_cut_and_padded() -> None:
    log = uniform_log(0, pages=20, candidates=(1, 4))
    logged = LoggedPages.of(log, 6)
    assert logged.filled.shape == logged.clicks.shape == (20, 6)
    assert logged.filled.sum(1).tolist() == np.diff(log.slate_offsets).tolist()
    assert torch.equal(torch.from_numpy(LoggedPages.of(log, 2).filled), exposed_slates(log, 2) >= 0)
