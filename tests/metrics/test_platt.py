"""The line on the log-odds: recovered, and near the identity where little is known."""

from __future__ import annotations

import numpy as np
import pytest

from gerank.metrics.platt import PlattLine, fit_platt_line


def drawn(seed: int, line: PlattLine, examples: int) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from the calibrated probabilities, and the uncalibrated ones."""
    rng = np.random.default_rng(seed)
    given = 1 / (1 + np.exp(-rng.normal(-1.0, 1.5, examples)))
    labels = rng.random(examples) < line.probability(given)
    return labels.astype(np.int64), given


@pytest.mark.parametrize("line", [PlattLine(1.0, 0.0), PlattLine(0.5, 1.0), PlattLine(1.8, -0.7)])
def test_a_known_line_is_recovered_from_many_examples(seed: int, line: PlattLine) -> None:
    found = fit_platt_line(*drawn(seed, line, 60_000))
    assert found.slope == pytest.approx(line.slope, abs=0.08)
    assert found.intercept == pytest.approx(line.intercept, abs=0.1)


def test_no_examples_leave_the_identity() -> None:
    assert fit_platt_line(np.zeros(0, np.int64), np.zeros(0)) == PlattLine(1.0, 0.0)


def test_few_examples_leave_the_line_near_the_identity() -> None:
    """Though these two would turn it around."""
    slope, intercept = fit_platt_line([0, 1], [0.8, 0.3])
    assert 0.5 < slope < 1.0
    assert abs(intercept) < 0.2


def test_more_examples_move_the_line_further(seed: int) -> None:
    moved = [fit_platt_line([1] * n, [0.2] * n).intercept for n in (1, 10, 100)]
    assert 0 < moved[0] < moved[1] < moved[2]


@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_one_class_leave_the_line_finite(seed: int, label: int) -> None:
    given = np.random.default_rng(seed).random(500)
    line = fit_platt_line([label] * 500, given)
    assert np.isfinite(line).all()
    said = line.probability(given)
    assert np.isfinite(said).all()
    assert abs(said.mean() - label) < 0.1


def test_certain_probabilities_are_taken_for_nearly_certain() -> None:
    line = fit_platt_line([0, 1, 0, 1], [0.0, 1.0, 1.0, 0.0])
    assert np.isfinite(line).all()
    assert np.isfinite(line.probability([0.0, 1.0])).all()


def test_the_fitted_probabilities_have_the_rate_of_the_labels(seed: int) -> None:
    labels, given = drawn(seed, PlattLine(0.6, 0.8), 20_000)
    assert fit_platt_line(labels, given).probability(given).mean() == pytest.approx(
        labels.mean(), abs=1e-3
    )


def test_the_identity_changes_nothing(seed: int) -> None:
    given = np.random.default_rng(seed).uniform(0.001, 0.999, 50)
    np.testing.assert_allclose(PlattLine(1.0, 0.0).probability(given), given, rtol=1e-9)


@pytest.mark.parametrize(
    ("labels", "probabilities", "message"),
    [
        ([0, 2], [0.1, 0.2], "labels"),
        ([0, 1], [0.1, np.nan], "probabilities"),
        ([0, 1], [0.1], "probabilities"),
        ([[0, 1]], [0.1, 0.2], "labels"),
    ],
)
def test_what_is_no_example_is_refused(labels: object, probabilities: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fit_platt_line(labels, probabilities)  # type: ignore[arg-type]
