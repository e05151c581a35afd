"""What a re-ranking policy would have earned, estimated from pages that another policy logged.

Every estimator gives one value per page (or a numerator and a denominator per page), so that
`gerank.metrics.intervals` can put an interval around it:

    weights = placement_weights(logged, target, propensity)
    mean_interval(ips(clicks, weights), people, seed=1)
    ratio_interval(*self_normalised(clicks, weights), people, seed=1)

They judge without an evaluator: only the doubly robust one uses a click model, and not even a
wrong one biases it. Cut all arguments to the first k slots for the value of these alone.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import FloatArray, check_same_shape, real_array, reject


def ips(clicks: ArrayLike, weights: ArrayLike) -> FloatArray:
    """Inverse propensity scoring: sum_n w_n y_n per page. Its mean is unbiased.

    Horvitz and Thompson, "A generalization of sampling without replacement from a finite
    universe", JASA 1952; for rankings, Li et al., KDD 2018.

    Args:
        clicks: [E, N]. Feedback y at each logged slot (any quantity); 0 at empty slots.
        weights: [E, N], such as `placement_weights`; or [E, 1] of whole slates.

    Returns:
        [E].

    Raises:
        ValueError: Shapes, NaN, infinity or a negative weight.
    """
    feedback, spread = weighted_feedback("ips", clicks, weights)
    value: FloatArray = np.sum(spread * feedback, axis=1)
    return value


def self_normalised(
    clicks: ArrayLike, weights: ArrayLike, target_slots: ArrayLike | None = None
) -> tuple[FloatArray, FloatArray]:
    """Self-normalised IPS (SNIPS), as terms of a ratio: sum of numerators / sum of denominators.

    The denominators have mean 1, so the ratio tends to the IPS mean, with less variance, and
    never exceeds N times the largest feedback seen. Swaminathan and Joachims, "The self-normalized
    estimator for counterfactual learning", NeurIPS 2015.

    Args:
        clicks: [E, N]. As in `ips`.
        weights: [E, N] or [E, 1]. As in `ips`.
        target_slots: [E]. How many of the N slots the target fills, 0..N, where it is not all
            of them. Ignored for [E, 1] weights.

    Returns:
        (numerators [E], denominators [E]).

    Raises:
        ValueError: Shapes, NaN, infinity, a negative weight, or slots outside 0..N.
    """
    feedback, spread = weighted_feedback("self_normalised", clicks, weights)
    filled = float(feedback.shape[1])
    if target_slots is not None and np.shape(weights)[1] > 1:
        slots = real_array("self_normalised: target_slots", target_slots, "E")
        check_same_shape(clicks=feedback.shape[:1], target_slots=slots.shape)
        outside = (slots < 0) | (slots > feedback.shape[1])
        reject("self_normalised: target_slots", slots, outside, f"outside 0..{feedback.shape[1]}")
        filled = float(slots.mean()) or 1.0  # Who fills no slot has no weight to be normalised.
    return np.sum(spread * feedback, axis=1), np.sum(spread, axis=1) / filled


def doubly_robust(
    clicks: ArrayLike,
    weights: ArrayLike,
    predicted_logged: ArrayLike,
    predicted_target: ArrayLike,
) -> FloatArray:
    """sum_n [ q_n(target) + w_n (y_n - q_n(logged)) ]: a click model, corrected by the log.

    Unbiased when the propensities are right, whatever q; also when q is right, whatever the
    propensities. q must not have been fitted on these pages: cross-fit by person. Dudik,
    Langford and Li, "Doubly robust policy evaluation and learning", ICML 2011.

    With `placement_weights` of a deterministic target w_n is 0 unless the logged candidate is
    the target's, so `predicted_logged` may then be `predicted_target` itself.

    Args:
        clicks: [E, N]. As in `ips`.
        weights: [E, N] or [E, 1]. As in `ips`.
        predicted_logged: [E, N]. q of the logged candidate at each slot; 0 at empty slots.
        predicted_target: [E, N]. q of the target's candidate there (0 at its empty slots), in
            expectation for a target that draws its slates.

    Returns:
        [E].

    Raises:
        ValueError: Shapes, NaN, infinity or a negative weight.
    """
    feedback, spread = weighted_feedback("doubly_robust", clicks, weights)
    logged = real_array("doubly_robust: predicted_logged", predicted_logged, "EN")
    target = real_array("doubly_robust: predicted_target", predicted_target, "EN")
    check_same_shape(
        clicks=feedback.shape, predicted_logged=logged.shape, predicted_target=target.shape
    )
    value: FloatArray = np.sum(target + spread * (feedback - logged), axis=1)
    return value


def weighted_feedback(
    function: str, clicks: ArrayLike, weights: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """([E, N] feedback, [E, N] weights), a weight of the whole slate spread over its slots."""
    feedback = real_array(f"{function}: clicks", clicks, "EN")
    values = real_array(f"{function}: weights", weights, "EN")
    reject(f"{function}: weights", values, values < 0, "negative")
    if values.shape[1] == 1:
        values = np.repeat(values, feedback.shape[1], axis=1)
    check_same_shape(clicks=feedback.shape, weights=values.shape)
    return feedback, values
