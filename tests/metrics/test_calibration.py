from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics import Binning, calibration_bins, expected_calibration_error, mean_bins

BINNINGS = list(Binning)


def test_error_of_equal_width_bins_by_hand() -> None:
    labels, probabilities = [0, 1, 1, 1], [0.1, 0.3, 0.6, 1.0]
    # Below 0.5: predicted 0.2, observed 0.5. From 0.5: predicted 0.8, observed 1.
    expected = 2 / 4 * abs(0.5 - 0.2) + 2 / 4 * abs(1 - 0.8)
    error = expected_calibration_error(labels, probabilities, 2, Binning.EQUAL_WIDTH)
    assert error == pytest.approx(expected, abs=1e-12)


def test_error_of_equal_mass_bins_by_hand() -> None:
    labels, probabilities = [0, 0, 1, 0, 1, 1], [0.01, 0.02, 0.03, 0.04, 0.05, 0.9]
    # Three bins of two: (0.015, 0), (0.035, 0.5), (0.475, 1).
    expected = (abs(0 - 0.015) + abs(0.5 - 0.035) + abs(1 - 0.475)) / 3
    error = expected_calibration_error(labels, probabilities, 3, Binning.EQUAL_MASS)
    assert error == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("binning", BINNINGS)
@pytest.mark.parametrize("seed", range(4))
def test_error_is_that_of_a_direct_loop_over_bins(seed: int, binning: Binning) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.random(70) ** 3  # No ties: equal mass is then a split of the sorted.
    labels = rng.random(70) < probabilities
    if binning is Binning.EQUAL_MASS:
        parts = np.split(np.argsort(probabilities), 7)
    else:
        edges = np.arange(1, 7) / 7
        parts = [np.flatnonzero(np.digitize(probabilities, edges) == part) for part in range(7)]
    expected = sum(
        len(part) / 70 * abs(labels[part].mean() - probabilities[part].mean())
        for part in parts
        if len(part)
    )
    error = expected_calibration_error(labels, probabilities, 7, binning)
    assert error == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("binning", BINNINGS)
def test_error_of_true_probabilities_is_small_and_of_distorted_ones_is_not(
    binning: Binning,
) -> None:
    rng = np.random.default_rng(11)
    truth = rng.random(40_000)
    labels = rng.random(40_000) < truth
    assert expected_calibration_error(labels, truth, binning=binning) < 0.01
    # E|p - p^2| over a uniform p is 1/6.
    distorted = expected_calibration_error(labels, truth**2, binning=binning)
    assert distorted == pytest.approx(1 / 6, abs=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_equal_mass_bins_do_not_depend_on_the_order_of_tied_predictions(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, 4, size=50) / 4
    labels = rng.integers(0, 2, size=50)
    shuffle = rng.permutation(50)
    error = expected_calibration_error(labels, probabilities, 7)
    shuffled = expected_calibration_error(labels[shuffle], probabilities[shuffle], 7)
    assert error == pytest.approx(shuffled, abs=1e-12)


def test_the_table_holds_every_example_once_in_ascending_order() -> None:
    rng = np.random.default_rng(5)
    probabilities = np.append(rng.random(99), 1.0)
    labels = rng.integers(0, 2, size=100)
    table = calibration_bins(labels, probabilities, 6, Binning.EQUAL_WIDTH)
    assert table.examples.sum() == 100
    assert (np.diff(table.predicted) > 0).all()
    assert (table.examples @ table.observed) == pytest.approx(labels.sum())
    assert (table.examples @ table.predicted) == pytest.approx(probabilities.sum())


@pytest.mark.parametrize(
    ("labels", "probabilities", "bins", "message"),
    [
        ([0, 1], [0.5, 1.1], 2, r"probabilities\[1\] is 1.1, outside 0..1"),
        ([0, 1], [-0.1, 1.0], 2, r"probabilities\[0\] is -0.1, outside"),
        ([0, 1], [np.nan, 1.0], 2, r"probabilities\[0\] is nan"),
        ([0, 0.5], [0.5, 1.0], 2, r"labels\[1\] is 0.5, neither 0 nor 1"),
        ([0, 1], [0.5, 1.0], 0, "bins is 0, not >= 1"),
        ([0, 1], [0.5], 2, r"probabilities: shape \[1\]"),
    ],
)
def test_calibration_names_what_is_wrong(
    labels: list[float], probabilities: list[float], bins: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        calibration_bins(labels, probabilities, bins)


def test_bins_of_amounts_by_hand() -> None:
    table = mean_bins([4.0, -2.0, 10.0, 30.0], [1.0, 2.0, 20.0, 40.0], bins=2)
    assert table.examples.tolist() == [2, 2]
    assert table.predicted.tolist() == [1.5, 30.0]
    assert table.observed.tolist() == [1.0, 20.0]


@pytest.mark.parametrize("seed", range(3))
def test_bins_of_probabilities_are_bins_of_amounts(seed: int) -> None:
    rng = np.random.default_rng(seed)
    probabilities = rng.integers(0, 9, size=80) / 8  # with ties
    labels = rng.integers(0, 2, size=80)
    for mine, theirs in zip(
        mean_bins(labels, probabilities), calibration_bins(labels, probabilities), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    ("values", "predictions", "bins", "message"),
    [
        ([1.0], [np.inf], 2, r"predictions\[0\] is inf"),
        ([1.0], [1.0, 2.0], 2, r"predictions: shape \[2\]"),
        ([1.0], [1.0], 0, "bins is 0"),
    ],
)
def test_bins_of_amounts_name_what_is_wrong(
    values: list[float], predictions: list[float], bins: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        mean_bins(values, predictions, bins)
