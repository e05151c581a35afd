"""Importance weights: how much more often the target policy would have done what was logged.

Three kinds, for three assumptions on what a click at slot n depends on:

- `placement_weights`: the candidate and its slot alone (item-position model). Smallest variance.
- `prefix_weights`: the slots up to n as well (cascade). Products of up to n ratios.
- `slate_weights`: anything on the slate. Products of N ratios; largest variance.

All are right only where the behavior policy had a chance to do what the target does, and where
the target does not look at the logged order: not even to break ties, which should go by item.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import (
    BoolArray,
    FloatArray,
    check_same_shape,
    index_array,
    real_array,
    reject,
    shaped_array,
)

_ROUNDING = 1e-6  # Probabilities arrive as float32.
_LARGEST_LOG = 300.0  # Sums of squares of e^300 are still finite in float64.


def placement_weights(logged: ArrayLike, target: ArrayLike, propensity: ArrayLike) -> FloatArray:
    """w_n = 1[logged candidate at n = target candidate at n] / P(logged candidate at n).

    The item-position estimator of Li et al., "Offline evaluation of ranking policies with click
    models", KDD 2018.

    Args:
        logged: [E, N]. Candidate that was shown at each slot; -1 = empty.
        target: [E, N]. Candidate that the target policy puts there; -1 = empty.
        propensity: [E, N]. Probability, over the behavior policy's randomness, that the logged
            candidate stands at this slot (`ExposureBatch.placement_propensity`). Not read at
            empty slots.

    Returns:
        [E, N]. >= 0, and 0 at empty slots. Their mean per slot is near 1 on logs that fit.

    Raises:
        ValueError: Shapes; a propensity outside (0, 1] or unknown; or a target that fills a slot
            which was left empty in the log (cut the target to the logged length).
    """
    shown = index_array("placement_weights: logged", logged, "EN")
    wanted = index_array("placement_weights: target", target, "EN")
    check_same_shape(logged=shown.shape, target=wanted.shape)
    known = _propensity("placement_weights", propensity, shown >= 0)
    unsupported = (shown < 0) & (wanted >= 0)
    reject("placement_weights: target", wanted, unsupported, "at a slot that was logged empty")
    weights: FloatArray = ((shown == wanted) & (shown >= 0)) / known
    return weights


def stochastic_placement_weights(
    logged: ArrayLike, target_placement: ArrayLike, propensity: ArrayLike
) -> FloatArray:
    """w_n = pi(logged candidate at n) / P(logged candidate at n), for a target that draws slates.

    Args:
        logged: [E, N]. Candidate that was shown at each slot; -1 = empty.
        target_placement: [E, N, M]. pi: probability that the target policy puts candidate m at
            slot n, over all its randomness. Rows sum to at most 1.
        propensity: [E, N]. As in `placement_weights`.

    Returns:
        [E, N].

    Raises:
        ValueError: As `placement_weights`, or rows of `target_placement` that are no placement.
    """
    placed = _placement("stochastic_placement_weights", target_placement)
    shown = index_array("stochastic_placement_weights: logged", logged, "EN", placed.shape[2])
    check_same_shape(logged=shown.shape, target_placement=placed.shape[:2])
    known = _propensity("stochastic_placement_weights", propensity, shown >= 0)
    filled = placed.sum(axis=2)
    unsupported = (shown < 0) & (filled > _ROUNDING)
    reject("target_placement's row sum", filled, unsupported, "at a slot that was logged empty")
    probability = np.take_along_axis(placed, np.maximum(shown, 0)[..., None], axis=2)[..., 0]
    weights: FloatArray = np.where(shown >= 0, probability, 0.0) / known
    return weights


def expected_prediction(target_placement: ArrayLike, prediction: ArrayLike) -> FloatArray:
    """q_n(target) = sum_m pi(m at n) q(m, n): what a click model predicts of a stochastic target.

    Args:
        target_placement: [E, N, M]. As in `stochastic_placement_weights`.
        prediction: [E, N, M]. Predicted click probability of candidate m at slot n.

    Returns:
        [E, N].

    Raises:
        ValueError: Shapes, NaN or infinity, or rows that are no placement.
    """
    placed = _placement("expected_prediction", target_placement)
    predicted = real_array("expected_prediction: prediction", prediction, "ENM")
    check_same_shape(target_placement=placed.shape, prediction=predicted.shape)
    expected: FloatArray = np.sum(placed * predicted, axis=2)
    return expected


def prefix_weights(target_log_prob: ArrayLike, log_propensity: ArrayLike) -> FloatArray:
    """w_n = prod_{j<=n} pi(y_j | y_<j) / P(y_j | y_<j): the logged slate up to and with slot n.

    McInerney et al., "Counterfactual evaluation of slate recommendations with sequential reward
    interactions", KDD 2020.

    Args:
        target_log_prob: [E, N]. log-probability of each logged choice under the target policy,
            given the logged choices before it; -inf where the target would never make it, 0 at
            empty slots. For a deterministic target it is
            `np.where(logged == target, 0, -np.inf)`.
        log_propensity: [E, N]. The same under the behavior policy.

    Returns:
        [E, N].

    Raises:
        ValueError: Shapes, NaN, a positive log-probability, a -inf in `log_propensity` (what
            was logged cannot have been impossible), or a weight too large for a float64.
    """
    log_weights = np.cumsum(_log_ratios(target_log_prob, log_propensity), axis=1)
    too_large = log_weights > _LARGEST_LOG
    reject("prefix_weights: log weight", log_weights, too_large, f"above {_LARGEST_LOG}")
    return np.exp(log_weights)


def slate_weights(target_log_prob: ArrayLike, log_propensity: ArrayLike) -> FloatArray:
    """One weight for the whole slate: w = pi(slate) / P(slate).

    Args:
        target_log_prob: [E, N]. As in `prefix_weights`.
        log_propensity: [E, N]. As in `prefix_weights`.

    Returns:
        [E, 1], which the estimators spread over the slots.

    Raises:
        ValueError: As `prefix_weights`.
    """
    return prefix_weights(target_log_prob, log_propensity)[:, -1:]


def effective_sample_size(weights: ArrayLike) -> FloatArray:
    """(sum w)^2 / sum w^2: how many unweighted pages carry as much, per slot.

    Kish, "Survey sampling", 1965.

    Args:
        weights: [E, N], or [E, 1] for weights of whole slates. >= 0.

    Returns:
        [N] or [1]. 0..E; 0 where every weight is zero: no logged page tells anything.

    Raises:
        ValueError: Shape, NaN, infinity or a negative weight.
    """
    values = real_array("effective_sample_size: weights", weights, "EN")
    reject("effective_sample_size: weights", values, values < 0, "negative")
    peak = values.max(axis=0)
    scaled = values / np.where(peak > 0, peak, 1.0)  # Squares of large weights may overflow.
    squares = np.sum(scaled**2, axis=0)
    pages: FloatArray = np.sum(scaled, axis=0) ** 2 / np.where(squares > 0, squares, 1.0)
    return pages


def _propensity(function: str, propensity: ArrayLike, filled: BoolArray) -> FloatArray:
    """[E, N] float64 in (0, 1] where `filled`, 1 elsewhere."""
    known = shaped_array(f"{function}: propensity", propensity, "EN")
    check_same_shape(logged=filled.shape, propensity=known.shape)
    invalid = filled & ~((known > 0) & (known <= 1 + _ROUNDING))
    reject(f"{function}: propensity", known, invalid, "not a probability in (0, 1]")
    return np.where(filled, known, 1.0)


def _placement(function: str, target_placement: ArrayLike) -> FloatArray:
    placed = real_array(f"{function}: target_placement", target_placement, "ENM")
    reject(f"{function}: target_placement", placed, placed < 0, "negative")
    filled = placed.sum(axis=2)
    reject(f"{function}: target_placement's row sum", filled, filled > 1 + _ROUNDING, "above 1")
    return placed


def _log_ratios(target_log_prob: ArrayLike, log_propensity: ArrayLike) -> FloatArray:
    target = shaped_array("target_log_prob", target_log_prob, "EN")
    behavior = real_array("log_propensity", log_propensity, "EN")
    check_same_shape(target_log_prob=target.shape, log_propensity=behavior.shape)
    reject("target_log_prob", target, ~(target <= _ROUNDING), "not a log-probability")
    reject("log_propensity", behavior, behavior > _ROUNDING, "not a log-probability")
    return target - behavior
