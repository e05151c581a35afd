"""Importance weights: how much more often the target policy would have done what was logged.

`placement_weights` rest on the item-position model: a click depends on the candidate and its slot
alone. `prefix_weights` let it depend on all that stands above, too. Both are right only where the
behavior policy had a chance to do what the target does, and where the target does not look at the
logged order: not even to break ties, which should go by item.
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
_LOG_ROUNDING = 1e-5  # So do their logarithms.


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
    known = _known(propensity, shown >= 0)
    unsupported = (shown < 0) & (wanted >= 0)
    reject("placement_weights: target", wanted, unsupported, "at a slot that was logged empty")
    weights: FloatArray = ((shown == wanted) & (shown >= 0)) / known
    return weights


def prefix_weights(logged: ArrayLike, target: ArrayLike, log_propensity: ArrayLike) -> FloatArray:
    """w_n = 1[logged = target at all slots up to n] / prod_{k <= n} P(choice at k | those before).

    The cascade's estimator of Kiyohara et al., "Doubly robust off-policy evaluation for ranking
    policies under the cascade behavior model", WSDM 2022, for a target that does not draw: right
    wherever a click does not depend on what stands below. Few pages agree on a long prefix: look at
    `effective_sample_size`.

    Args:
        logged: [E, N]. Candidate that was shown at each slot; -1 = empty.
        target: [E, N]. Candidate that the target policy puts there; -1 = empty.
        log_propensity: [E, N]. Log of the probability of each logged choice, given those before it
            (`ExposureBatch.log_propensity`). Not read at empty slots.

    Returns:
        [E, N]. >= 0, and 0 at empty slots. Their mean per slot is near 1 on logs that fit.

    Raises:
        ValueError: Shapes; a propensity that is unknown or above 1; or a target that fills a slot
            which was left empty in the log (cut the target to the logged length).
    """
    shown = index_array("prefix_weights: logged", logged, "EN")
    wanted = index_array("prefix_weights: target", target, "EN")
    choices = shaped_array("prefix_weights: log_propensity", log_propensity, "EN")
    check_same_shape(logged=shown.shape, target=wanted.shape, log_propensity=choices.shape)
    filled = shown >= 0
    invalid = filled & ~(np.isfinite(choices) & (choices <= _LOG_ROUNDING))
    reject("prefix_weights: log_propensity", choices, invalid, "no logarithm of a probability")
    unsupported = ~filled & (wanted >= 0)
    reject("prefix_weights: target", wanted, unsupported, "at a slot that was logged empty")
    agree = np.logical_and.accumulate(shown == wanted, axis=1) & filled
    above = np.cumsum(np.where(filled, choices, 0.0), axis=1)
    weights: FloatArray = np.where(agree, np.exp(np.where(agree, -above, 0.0)), 0.0)
    return weights


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


def _known(propensity: ArrayLike, filled: BoolArray) -> FloatArray:
    """[E, N] float64 in (0, 1] where `filled`, 1 elsewhere."""
    known = shaped_array("placement_weights: propensity", propensity, "EN")
    check_same_shape(logged=filled.shape, propensity=known.shape)
    invalid = filled & ~((known > 0) & (known <= 1 + _ROUNDING))
    reject("placement_weights: propensity", known, invalid, "not a probability in (0, 1]")
    return np.where(filled, known, 1.0)
