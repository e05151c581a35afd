"""Whether predicted probabilities mean what they say."""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import (
    BoolArray,
    FloatArray,
    IndexArray,
    binary_array,
    check_same_shape,
    real_array,
    reject,
)
from gerank.metrics.midranks import midranks


class Binning(StrEnum):
    """How predictions are put into bins."""

    EQUAL_MASS = "equal_mass"
    EQUAL_WIDTH = "equal_width"


class CalibrationBins(NamedTuple):
    """The reliability table, one entry per bin that is not empty, in ascending order.

    Attributes:
        examples: [R]. How many are in the bin.
        predicted: [R]. Their mean predicted probability.
        observed: [R]. The share of them with label 1, or their mean where labels are amounts.
    """

    examples: IndexArray
    predicted: FloatArray
    observed: FloatArray


def expected_calibration_error(
    labels: ArrayLike,
    probabilities: ArrayLike,
    bins: int = 10,
    binning: Binning = Binning.EQUAL_MASS,
) -> float:
    """Mean over examples of |observed rate - mean prediction| of the example's bin.

    Naeini, Cooper and Hauskrecht, "Obtaining well calibrated probabilities using Bayesian
    binning", AAAI 2015. Equal mass is the default: click probabilities crowd near zero, where
    bins of equal width would put nearly all of them into one.

    Args:
        labels: [E]. 0 or 1.
        probabilities: [E]. Predictions, 0..1.
        bins: How many bins, at least 1.
        binning: Bins of equal numbers of examples, or of equal width on 0..1.

    Returns:
        0 (calibrated) to 1.

    Raises:
        ValueError: As `calibration_bins`.
    """
    table = calibration_bins(labels, probabilities, bins, binning)
    gap = np.abs(table.observed - table.predicted)
    return float(np.average(gap, weights=table.examples))


def calibration_bins(
    labels: ArrayLike,
    probabilities: ArrayLike,
    bins: int = 10,
    binning: Binning = Binning.EQUAL_MASS,
) -> CalibrationBins:
    """The reliability table that the calibration error sums up.

    Args:
        labels: [E]. 0 or 1.
        probabilities: [E]. Predictions, 0..1.
        bins: How many bins, at least 1. Bins that stay empty are left out.
        binning: See `Binning`. In bins of equal mass equal predictions stay together, so that
            the answer does not depend on the order of the examples.

    Raises:
        ValueError: Shapes, a prediction outside 0..1, a label that is no label, or bins < 1.
    """
    positive = binary_array("calibration: labels", labels, "E")
    predicted = real_array("calibration: probabilities", probabilities, "E")
    check_same_shape(labels=positive.shape, probabilities=predicted.shape)
    outside = (predicted < 0) | (predicted > 1)
    reject("calibration: probabilities", predicted, outside, "outside 0..1")
    return _binned(positive, predicted, _places(predicted, Binning(binning)), bins)


def mean_bins(values: ArrayLike, predictions: ArrayLike, bins: int = 10) -> CalibrationBins:
    """The reliability table of predicted amounts, in bins of equal numbers of examples.

    Equal predictions stay together, as in `calibration_bins`.

    Args:
        values: [E]. What came, on any scale.
        predictions: [E]. What was predicted, on the same scale.
        bins: How many bins, at least 1. Bins that stay empty are left out.

    Raises:
        ValueError: Shapes, NaN or infinity, or bins < 1.
    """
    came = real_array("mean_bins: values", values, "E")
    predicted = real_array("mean_bins: predictions", predictions, "E")
    check_same_shape(values=came.shape, predictions=predicted.shape)
    return _binned(came, predicted, _places(predicted, Binning.EQUAL_MASS), bins)


def _binned(
    observed: FloatArray | BoolArray, predicted: FloatArray, place: FloatArray, bins: int
) -> CalibrationBins:
    """The table of examples that lie at `place` [E], 0..1, in the measure that bins divide."""
    if bins < 1:
        raise ValueError(f"calibration: bins is {bins}, not >= 1")
    codes = np.minimum((place * bins).astype(np.int64), bins - 1)
    count = np.bincount(codes, minlength=bins)
    kept = count > 0
    sums = [np.bincount(codes, weights=of, minlength=bins) for of in (predicted, observed)]
    return CalibrationBins(count[kept], sums[0][kept] / count[kept], sums[1][kept] / count[kept])


def _places(predicted: FloatArray, binning: Binning) -> FloatArray:
    """[E] Where each prediction lies, 0..1, in the measure that the bins divide evenly."""
    if binning is Binning.EQUAL_WIDTH:
        return predicted
    return (midranks(predicted) - 0.5) / len(predicted)
