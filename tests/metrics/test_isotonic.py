from __future__ import annotations

import numpy as np
import pytest
from sklearn.isotonic import IsotonicRegression

from gerank.metrics import expected_calibration_error, fit_monotone_curve
from gerank.metrics.isotonic import Block, _bins_counted, _bins_of_equal_mass, _pooled

KNOTS = 72


def clicks(seed: int, examples: int = 4000) -> tuple[np.ndarray, np.ndarray]:
    """(labels, scores) with a click rate that rises with the score."""
    rng = np.random.default_rng(seed)
    scores = rng.random(examples)
    return rng.random(examples) < 0.05 + 0.5 * scores**2, scores


@pytest.mark.parametrize("seed", range(4))
def test_pooled_rates_are_those_of_isotonic_regression_over_the_bins(seed: int) -> None:
    labels, scores = clicks(seed)
    order = np.argsort(scores)
    bins = _bins_of_equal_mass(scores[order])
    blocks = _pooled(_bins_counted(labels[order].astype(float), bins), Block.rate, 0.0)
    count = np.bincount(bins)
    rates = np.bincount(bins, weights=labels[order]) / count
    place = np.arange(len(rates))
    theirs = IsotonicRegression().fit(place, rates, count).predict(place)[bins]
    ours = np.repeat([block.rate() for block in blocks], [block.examples for block in blocks])
    np.testing.assert_allclose(ours, theirs, atol=1e-12)


@pytest.mark.parametrize("seed", range(4))
def test_the_curve_rises_and_calibrates(seed: int) -> None:
    labels, scores = clicks(seed)
    curve = fit_monotone_curve(labels, scores, KNOTS)
    assert len(curve.scores) == len(curve.log_odds) == KNOTS
    assert (np.diff(curve.scores) > 0).all()
    assert (np.diff(curve.log_odds) >= 0).all()
    fresh_labels, fresh_scores = clicks(seed + 100, 20_000)
    before = expected_calibration_error(fresh_labels, fresh_scores)
    after = expected_calibration_error(fresh_labels, curve.probability(fresh_scores))
    assert after < 0.025 < 0.1 < before


@pytest.mark.parametrize("distort", [np.sqrt, np.exp, lambda p: 1000 * p - 7])
@pytest.mark.parametrize("seed", range(3))
def test_a_rising_distortion_of_the_scores_changes_no_calibrated_score(
    seed: int, distort: np.ufunc
) -> None:
    labels, scores = clicks(seed)
    plain = fit_monotone_curve(labels, scores, KNOTS).probability(scores)
    bent = fit_monotone_curve(labels, distort(scores), KNOTS).probability(distort(scores))
    assert np.abs(plain - bent).mean() < 0.003
    assert np.abs(plain - bent).max() < 0.05


def test_two_distinct_scores_make_a_curve() -> None:
    labels, scores = [0, 0, 0, 1, 1, 1, 1, 0], [1, 1, 1, 1, 3, 3, 3, 3]
    curve = fit_monotone_curve(labels, scores, KNOTS)
    low, high = curve.probability([1, 3])
    # Each block has four examples and four more at the overall rate, (4 + 1/2) / (8 + 1).
    assert low == pytest.approx((1 + 4 * 0.5) / 8)
    assert high == pytest.approx((3 + 4 * 0.5) / 8)


def test_scores_that_say_nothing_get_the_overall_rate() -> None:
    scores = np.arange(1000.0)
    labels = (np.arange(1000) % 4 == 0)[::-1] & (scores < 999)
    labels[:4] = True  # never rises
    curve = fit_monotone_curve(labels, scores, KNOTS)
    assert curve.probability([-50, 500, 5000]) == pytest.approx(labels.mean(), abs=0.02)


def test_no_rate_is_ever_certain() -> None:
    for rate in (0, 1):
        curve = fit_monotone_curve([rate] * 50, np.arange(50), KNOTS)
        assert np.isfinite(curve.log_odds).all()


@pytest.mark.parametrize(
    ("labels", "scores", "knots", "message"),
    [
        ([0, 1], [2.0, 2.0], KNOTS, "all 2 are 2.0; no curve exists"),
        ([0, 2], [1.0, 2.0], KNOTS, r"labels\[1\] is 2.0, neither 0 nor 1"),
        ([0, 1], [1.0, np.nan], KNOTS, r"scores\[1\] is nan"),
        ([0, 1], [1.0], KNOTS, r"scores: shape \[1\]"),
        ([0, 1], [1.0, 2.0], 10, "knots is 10, not >= 66"),
    ],
)
def test_what_cannot_be_fitted_is_named(
    labels: list[float], scores: list[float], knots: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit_monotone_curve(labels, scores, knots)
