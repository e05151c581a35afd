from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics.holm import holm, holm_levels


def test_holm_by_hand() -> None:
    """Sorted: 0.01 * 4, 0.02 * 3, 0.04 * 2, 0.5 * 1; none below the one before."""
    np.testing.assert_allclose(holm([0.5, 0.02, 0.01, 0.04]), [0.5, 0.06, 0.04, 0.08])
    np.testing.assert_allclose(holm([0.02, 0.03, 0.9]), [0.06, 0.06, 0.9])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1.0, 1.0])
    np.testing.assert_allclose(holm([0.3]), [0.3])


def test_levels_by_hand() -> None:
    np.testing.assert_allclose(holm_levels([0.5, 0.02, 0.01], 0.94), [1 - 0.06, 1 - 0.03, 1 - 0.02])


def test_it_rejects_at_least_what_bonferroni_does_and_errs_as_seldom(seed: int) -> None:
    rng = np.random.default_rng(seed)
    uniform = rng.random((4000, 6))
    uniform[:, :2] *= 1e-4  # two hypotheses are false
    adjusted = np.array([holm(row) for row in uniform])
    assert (adjusted <= np.minimum(uniform * 6, 1) + 1e-12).all()
    assert (adjusted[:, 2:] < 0.05).any(axis=1).mean() < 0.05 + 4 * np.sqrt(0.05 * 0.95 / 4000)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([0.1, 1.5], r"holm: p_values\[1\] is 1.5, not in 0..1"),
        ([np.nan], r"p_values\[0\] is nan, not a finite number"),
        ([], r"shape \[0\] holds nothing"),
    ],
)
def test_what_is_no_p_value_is_named(values: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        holm(values)


def test_a_level_that_is_none_is_named() -> None:
    with pytest.raises(ValueError, match=r"level is 1\.0, not between 0 and 1"):
        holm_levels([0.1], 1.0)
