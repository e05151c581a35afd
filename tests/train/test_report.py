from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics.intervals import Interval
from gerank.train.report import show_interval, show_mean, show_ratio

PEOPLE = np.array(["a", "a", "b", "b", "c"])


def test_an_interval_is_shown_behind_its_estimate() -> None:
    assert show_interval(Interval(1.0, 0.5, 1.25, 0.1)) == "1.0000 [0.5000, 1.2500]"


def test_a_constant_has_an_interval_of_no_width() -> None:
    assert show_mean(np.full(5, 2.0), PEOPLE) == "2.0000 [2.0000, 2.0000]"
    assert show_ratio(np.full(5, 3.0), np.full(5, 2.0), PEOPLE) == "1.5000 [1.5000, 1.5000]"


def test_a_table_is_the_same_each_time_it_is_printed(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=5)
    assert show_mean(values, PEOPLE) == show_mean(values, PEOPLE)


def test_one_person_has_no_interval() -> None:
    assert show_mean(np.array([1.0, 2.0]), PEOPLE[:2]) == "1.5000"
    assert show_ratio(np.array([1.0, 2.0]), np.array([2.0, 2.0]), PEOPLE[:2]) == "0.7500"


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_ratio_of_few_weights_has_no_interval_and_of_none_is_none(weight: float) -> None:
    denominators = np.array([weight, 0, 0, 0, 0])
    shown = show_ratio(np.array([0.5 * weight, 0, 0, 0, 0]), denominators, PEOPLE)
    assert shown == (None if weight == 0 else "0.5000")
