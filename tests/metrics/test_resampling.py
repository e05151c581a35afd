from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics import mean_interval
from gerank.metrics.resampling import Resampled, resampled_means


def test_the_interval_of_one_seed_is_that_of_the_bootstrap_over_people(seed: int) -> None:
    rng = np.random.default_rng(seed)
    people = rng.integers(40, size=300)
    values = rng.random(300) + people / 40
    [found] = resampled_means([values[None]], people, seed=1, resamples=8000)
    wanted = mean_interval(values, people, seed=2, resamples=8000)
    ours = found.interval()
    assert ours.estimate == pytest.approx(wanted.estimate)
    assert ours.standard_error == pytest.approx(wanted.standard_error, rel=0.08)
    assert ours.low == pytest.approx(wanted.low, abs=0.15 * wanted.standard_error)
    assert ours.high == pytest.approx(wanted.high, abs=0.15 * wanted.standard_error)


def test_a_difference_is_paired_by_person(seed: int) -> None:
    """People differ by far more than the policies do: only a paired difference sees these."""
    rng = np.random.default_rng(seed)
    people = np.repeat(np.arange(50), 4)
    base = 10 * rng.standard_normal(50)[people]
    better = base + 0.1 + 0.01 * rng.standard_normal(200)
    ours, theirs = resampled_means([better[None], base[None]], people, seed=0, resamples=500)
    gain = ours.minus(theirs)
    assert gain.interval().low > 0.08 and gain.p_value() == pytest.approx(2 / 501)
    assert ours.interval().low < theirs.interval().high


def test_seeds_that_differ_widen_the_interval() -> None:
    people, zeros = np.arange(100), np.zeros((3, 100))
    spread = zeros + np.array([[0.0], [1.0], [2.0]])
    alike, apart = resampled_means([zeros, spread], people, seed=0, resamples=4000)
    assert alike.interval()[1:] == (0, 0, 0)
    assert apart.estimate == 1
    assert apart.interval().standard_error == pytest.approx(np.sqrt(2 / 3 / 3), rel=0.05)


def test_p_values_by_hand() -> None:
    draws = np.array([-1.0, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0])
    assert Resampled(3.0, draws).p_value() == pytest.approx(2 * 3 / 10)
    assert Resampled(0.0, np.zeros(9)).p_value() == 1.0
    assert Resampled(-3.0, -draws).p_value() == pytest.approx(2 * 3 / 10)


def test_where_nothing_differs_p_values_are_evenly_spread(seed: int) -> None:
    rng = np.random.default_rng(seed)
    found = []
    for trial in range(300):
        values = rng.standard_normal(60)
        [mean] = resampled_means([values[None]], np.arange(60), seed=trial, resamples=200)
        found.append(mean.p_value())
    assert np.mean(np.array(found) < 0.1) < 0.1 + 4 * np.sqrt(0.1 * 0.9 / 300)
    assert np.mean(np.array(found) < 0.5) == pytest.approx(0.5, abs=0.15)


@pytest.mark.parametrize(
    ("values", "people", "message"),
    [
        ([[[1.0, np.nan]]], [0, 1], r"values\[0\]\[0, 1\] is nan, not a finite number"),
        ([[[1.0, 2.0]]], [0, 0], "people: 1 distinct; 2 or more are needed"),
        ([[1.0, 2.0]], [0, 1], r"values\[0\]: shape \[2\] has not the axes \[S, E\]"),
    ],
)
def test_unusable_arguments_are_named(
    values: list[object], people: list[int], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        resampled_means([np.array(v) for v in values], people, seed=0)
