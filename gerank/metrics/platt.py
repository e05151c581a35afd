"""Platt scaling: a line on the log-odds that makes probabilities honest."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import FloatArray, binary_array, check_same_shape, real_array

_PRIOR_EXAMPLES = 4.0
_STEPS = 50


class PlattLine(NamedTuple):
    """p -> sigma(slope * logit(p) + intercept)."""

    slope: float
    intercept: float

    def probability(self, probabilities: ArrayLike) -> FloatArray:
        """[E] the calibrated probabilities of probabilities [E]."""
        logits = _logits(real_array("probabilities", probabilities, "E"))
        mapped: FloatArray = 1 / (1 + np.exp(-(self.slope * logits + self.intercept)))
        return mapped


def fit_platt_line(labels: ArrayLike, probabilities: ArrayLike) -> PlattLine:
    """Maximum a posteriori, by Newton's method; few examples leave the line near the identity,
    none leave it there.

    Platt, "Probabilistic outputs for support vector machines", 1999. The prior is normal around
    slope 1 and intercept 0 and weighs as much as four examples.

    Args:
        labels: [E]. 0 or 1.
        probabilities: [E]. Within 0..1.

    Raises:
        ValueError: Shapes, NaN or infinity, or labels that are none.
    """
    if np.size(labels) == np.size(probabilities) == 0:
        return PlattLine(1.0, 0.0)
    target = binary_array("labels", labels, "E").astype(np.float64)
    given = real_array("probabilities", probabilities, "E")
    check_same_shape(labels=target.shape, probabilities=given.shape)
    logits = _logits(given)
    design = np.stack([logits, np.ones_like(logits)], axis=1)
    identity = np.array([1.0, 0.0])
    line = identity.copy()
    for _ in range(_STEPS):
        chance = 1 / (1 + np.exp(-np.clip(design @ line, -30, 30)))
        gradient = design.T @ (chance - target) + _PRIOR_EXAMPLES * (line - identity)
        weights = chance * (1 - chance)
        curvature = design.T @ (design * weights[:, None]) + _PRIOR_EXAMPLES * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        line = line - step * min(1.0, 2.0 / max(1e-12, float(np.abs(step).max())))
        if np.abs(step).max() < 1e-9:
            break
    return PlattLine(float(line[0]), float(line[1]))


def _logits(probabilities: FloatArray) -> FloatArray:
    bounded = np.clip(probabilities, 1e-6, 1 - 1e-6)
    logits: FloatArray = np.log(bounded / (1 - bounded))
    return logits
