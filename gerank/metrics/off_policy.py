"""Off-policy evaluation of slates: what a policy would have earned, from what another one logged.

Every estimator is the same sum of weighted feedback; what differs is the weight, and with it on
what a click at a slot may depend:

    weights = choice_weights(log_prob, target_log_prob, ClickDependence.ABOVE)
    mean_interval(ips(clicks, weights), people, seed=0)

`SLOT`: the weight is the ratio of the placements' probabilities at the slot. Independent IPS, Li et
al., "Offline evaluation of ranking policies with click models", KDD 2018.

`ABOVE`: the ratio of the choices' probabilities up to the slot. Reward-interaction IPS, McInerney
et al., "Counterfactual evaluation of slate recommendations with sequential reward interactions",
KDD 2020.

`SLATE`: the ratio of the whole slates' probabilities. Standard IPS.

Fewer assumptions cost more variance. A target that does not draw has `placement_weights` and
`prefix_weights`. `self_normalised` and `slot_normalised` trade a little bias for less variance,
`doubly_robust` and `cascade_doubly_robust` use a click model as control variate, and `clipped_ips`
bounds the weights and says what that takes away. `effective_sample_size` says how many pages an
estimate rests on, `overlap` whether the log can tell of the target at all, and every interval draws
people, not pages, anew.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from gerank.metrics.arrays import (
    FloatArray,
    check_same_shape,
    real_array,
    reject,
    shaped_array,
)
from gerank.metrics.counterfactual import (
    doubly_robust,
    ips,
    self_normalised,
    weighted_feedback,
)
from gerank.metrics.importance_weights import (
    effective_sample_size,
    placement_weights,
    prefix_weights,
)
from gerank.metrics.intervals import Interval, mean_interval, ratio_interval, ratios_interval
from gerank.metrics.overlap import CanTell, Overlap, overlap

__all__ = [
    "CanTell",
    "ClickDependence",
    "ClippedIps",
    "Interval",
    "Overlap",
    "cascade_doubly_robust",
    "choice_weights",
    "clipped_ips",
    "doubly_robust",
    "effective_sample_size",
    "ips",
    "mean_interval",
    "overlap",
    "placement_weights",
    "prefix_weights",
    "ratio_interval",
    "ratios_interval",
    "self_normalised",
    "slot_normalised",
]

_LOG_ROUNDING = 1e-5  # Log-probabilities arrive as float32.


class ClickDependence(StrEnum):
    """What a click at a slot is taken to depend on, beside the person."""

    SLOT = "slot"
    ABOVE = "above"
    SLATE = "slate"


class ClippedIps(NamedTuple):
    """IPS with bounded weights, and what the bound costs.

    Attributes:
        value: The clipped estimate.
        bias: The clipped estimate minus the unclipped one, page by page: 0 or below for feedback
            that is not negative. The unclipped one is unbiased, so this estimates the bias; its
            variance is what clipping was to avoid, which its interval shows.
        clipped_share: Share of the positive weights that were above the bound, 0..1.
    """

    value: Interval
    bias: Interval
    clipped_share: float


def choice_weights(
    behavior_log_prob: ArrayLike, target_log_prob: ArrayLike, dependence: ClickDependence
) -> FloatArray:
    """How much more often the target would have drawn what was logged, for a target that draws.

    Args:
        behavior_log_prob: [E, N]. Log of the logging policy's probability of each logged choice,
            given those before it; for `SLOT`, of the candidate at the slot whatever stands
            elsewhere. 0 at empty slots.
        target_log_prob: [E, N]. The same of the target policy; -inf where it never chooses so.
        dependence: What a click may depend on.

    Returns:
        [E, N], or [E, 1] for `SLATE`. >= 0. Their mean per slot is near 1 on logs that fit.

    Raises:
        ValueError: Shapes, a NaN, a probability above 1, or one of the logging policy that is 0.
    """
    behavior = real_array("choice_weights: behavior_log_prob", behavior_log_prob, "EN")
    target = shaped_array("choice_weights: target_log_prob", target_log_prob, "EN")
    check_same_shape(behavior_log_prob=behavior.shape, target_log_prob=target.shape)
    for name, values in (("behavior", behavior), ("target", target)):
        above_one = ~(values <= _LOG_ROUNDING)
        reject(
            f"choice_weights: {name}_log_prob", values, above_one, "no logarithm of a probability"
        )
    ratios = target - behavior
    if dependence is ClickDependence.ABOVE:
        ratios = np.cumsum(ratios, axis=1)
    elif dependence is ClickDependence.SLATE:
        ratios = ratios.sum(axis=1, keepdims=True)
    weights: FloatArray = np.exp(ratios)
    return weights


def slot_normalised(clicks: ArrayLike, weights: ArrayLike) -> tuple[FloatArray, FloatArray]:
    """Self-normalised IPS slot by slot, as terms of `ratios_interval`.

    Every slot's weighted mean of feedback is normalised by its own weights, and the slots are
    added. With weights that mean 1 at every slot it tends to the same value as `self_normalised`,
    which normalises by the weights of all slots together; where upper slots carry more weight than
    lower ones, as under the cascade, the two differ on a finite log.

    Args:
        clicks: [E, N]. As in `ips`.
        weights: [E, N] or [E, 1]. As in `ips`.

    Returns:
        (numerators [E, N], denominators [E, N]).

    Raises:
        ValueError: Shapes, NaN, infinity or a negative weight.
    """
    feedback, spread = weighted_feedback("slot_normalised", clicks, weights)
    return spread * feedback, spread


def cascade_doubly_robust(
    clicks: ArrayLike,
    weights: ArrayLike,
    predicted_logged: ArrayLike,
    predicted_target: ArrayLike,
) -> FloatArray:
    """sum_n [ w_{n-1} E_target[Q_n] + w_n (y_n - Q_n(logged)) ], with w_0 = 1.

    Q_n is what is expected from slot n to the end, given the choices up to n. Unbiased where a
    click does not depend on what stands below and the propensities are right, whatever Q. Kiyohara
    et al., "Doubly robust off-policy evaluation for ranking policies under the cascade behavior
    model", WSDM 2022.

    For a target that does not draw it equals `doubly_robust` with `prefix_weights` and the clicks
    per slot that Q sums up.

    Args:
        clicks: [E, N]. As in `ips`.
        weights: [E, N]. With `ClickDependence.ABOVE`, or `prefix_weights`.
        predicted_logged: [E, N]. Q of the logged choice at each slot, given the logged ones above.
        predicted_target: [E, N]. Expectation of Q over what the target would choose at the slot,
            given the logged choices above.

    Returns:
        [E].

    Raises:
        ValueError: Shapes, NaN, infinity or a negative weight.
    """
    feedback, spread = weighted_feedback("cascade_doubly_robust", clicks, weights)
    logged = real_array("cascade_doubly_robust: predicted_logged", predicted_logged, "EN")
    target = real_array("cascade_doubly_robust: predicted_target", predicted_target, "EN")
    check_same_shape(
        clicks=feedback.shape, predicted_logged=logged.shape, predicted_target=target.shape
    )
    before = np.concatenate([np.ones_like(spread[:, :1]), spread[:, :-1]], axis=1)
    value: FloatArray = np.sum(before * target + spread * (feedback - logged), axis=1)
    return value


def clipped_ips(
    clicks: ArrayLike, weights: ArrayLike, most: float, people: ArrayLike, *, seed: int
) -> ClippedIps:
    """IPS with no weight above `most`, and an estimate of the bias that this brings.

    Ionides, "Truncated importance sampling", JCGS 2008.

    Args:
        clicks: [E, N]. As in `ips`.
        weights: [E, N] or [E, 1]. As in `ips`.
        most: The largest weight, > 0.
        people: [E]. Whose page it is.
        seed: Seeds the resampling.

    Raises:
        ValueError: `most` is not above 0, or as `ips` and `mean_interval`.
    """
    if not most > 0:
        raise ValueError(f"clipped_ips: most is {most}, not > 0")
    values = real_array("clipped_ips: weights", weights, "EN")
    bounded = np.minimum(values, most)
    clipped, whole = ips(clicks, bounded), ips(clicks, values)
    positive = values > 0
    share = float((values[positive] > most).mean()) if positive.any() else 0.0
    return ClippedIps(
        mean_interval(clipped, people, seed=seed),
        mean_interval(clipped - whole, people, seed=seed),
        share,
    )
