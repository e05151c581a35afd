from __future__ import annotations

import json

import numpy as np
import pytest

from gerank.metrics.intervals import Interval
from gerank.train.report import (
    Table,
    mean_cell,
    ratio_cell,
    show_cell,
    show_interval,
    show_mean,
    to_json,
)

PEOPLE = np.array(["a", "a", "b", "b", "c"])
INTERVAL = Interval(1.0, 0.5, 1.25, 0.1)


def test_an_interval_is_shown_behind_its_estimate() -> None:
    assert show_interval(INTERVAL) == "1.0000 [0.5000, 1.2500]"


def test_cells_are_shown_as_people_read_them() -> None:
    cells = ("sort", 12.34567, INTERVAL, None)
    assert [show_cell(cell) for cell in cells] == ["sort", "12.35", "1.0000 [0.5000, 1.2500]", ""]


def test_figures_are_numbers_in_json() -> None:
    table = Table("T", ("", "a", "b", "c"), (("row", 0.5, INTERVAL, None),))
    document = json.loads(json.dumps(to_json([table])))
    interval = {"estimate": 1.0, "low": 0.5, "high": 1.25}
    rows = [["row", 0.5, interval, None]]
    assert document == [{"title": "T", "columns": ["", "a", "b", "c"], "rows": rows}]


def test_a_constant_has_an_interval_of_no_width() -> None:
    assert show_mean(np.full(5, 2.0), PEOPLE) == "2.0000 [2.0000, 2.0000]"
    ratio = ratio_cell(np.full(5, 3.0), np.full(5, 2.0), PEOPLE)
    assert ratio == Interval(1.5, 1.5, 1.5, 0.0)


def test_a_table_is_the_same_each_time_it_is_printed(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=5)
    assert mean_cell(values, PEOPLE) == mean_cell(values, PEOPLE)


def test_pages_without_a_value_are_left_out(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=5)
    kept = np.array([True, False, True, True, True])
    holed = np.where(kept, values, np.nan)
    assert mean_cell(holed, PEOPLE) == mean_cell(values[kept], PEOPLE[kept])
    assert mean_cell(np.full(5, np.nan), PEOPLE) is None


def test_one_person_has_no_interval() -> None:
    assert mean_cell(np.array([1.0, 2.0]), PEOPLE[:2]) == 1.5
    assert ratio_cell(np.array([1.0, 2.0]), np.array([2.0, 2.0]), PEOPLE[:2]) == 0.75


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_ratio_of_few_weights_has_no_interval_and_of_none_is_none(weight: float) -> None:
    denominators = np.array([weight, 0, 0, 0, 0])
    cell = ratio_cell(np.array([0.5 * weight, 0, 0, 0, 0]), denominators, PEOPLE)
    assert cell == (None if weight == 0 else 0.5)
