"""Policy-gradient losses of sampled slates.

All take `log_prob`, `advantage`, `slot_mask` and `behavior_log_prob`, sum over the slots of a slate
and average over requests and slates. All treat a choice of log-probability -inf (a teacher-forced
slate that the rules forbid) alike: no gradient can make it possible, so it counts as nothing, where
-inf times an advantage of zero would have been NaN.

Args:
    log_prob: [B, G, N]. Holds each choice's log-probability under the policy being trained, with
        gradient; 0 at pinned slots.
    advantage: [B, G] of whole slates, which weighs all choices of a slate alike, or [B, G, N] by
        slot: see `gerank.rl.baselines`. No gradient flows into it.
    slot_mask: [B, G, N] bool. Slots that hold a candidate.
    behavior_log_prob: [B, G, N]. The same as `log_prob` under the policy that sampled; no gradient
        flows into it. `reinforce` takes it only so that all are called alike.

Returns:
    Scalar.

Raises:
    ValueError: Shapes, dtypes, or a setting out of its range.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_mask, check_shape


def reinforce(
    log_prob: Tensor,
    advantage: Tensor,
    slot_mask: Tensor,
    behavior_log_prob: Tensor | None = None,
) -> Tensor:
    """L = -mean_bg sum_n A_bgn log p(y_bgn), or with one A_bg for all slots of a slate.

    Its gradient is an unbiased estimate of that of minus the expected reward: Williams, "Simple
    statistical gradient-following algorithms", Machine Learning 1992. By slot the same holds of
    undiscounted returns to go, by the policy gradient theorem, see `gerank.rl.slot_returns`.
    """
    _check_slates("reinforce", log_prob, advantage, slot_mask)
    possible = slot_mask & ~torch.isneginf(log_prob)
    weighed = _by_slot(advantage) * log_prob.masked_fill(~possible, 0.0)  # [B, G, N]
    return -weighed.sum(dim=-1).mean()


def ppo_clipped(
    log_prob: Tensor,
    behavior_log_prob: Tensor,
    advantage: Tensor,
    slot_mask: Tensor,
    clip: float = 0.2,
) -> Tensor:
    """L = -mean_bg sum_n min(rho A, clamp(rho, 1 - clip, 1 + clip) A), rho = p(y_n) / p_old(y_n).

    It is for several steps on one roll-out: a choice whose probability has moved by more than
    `clip` (> 0) in the direction of its advantage gets no further gradient. Where p = p_old the
    gradient is that of `reinforce`. Schulman et al., "Proximal policy optimization algorithms",
    2017.
    """
    _check_slates("ppo_clipped", log_prob, advantage, slot_mask)
    check_shape("ppo_clipped", "behavior_log_prob", behavior_log_prob, log_prob.shape)
    if not clip > 0:
        raise ValueError(f"ppo_clipped: clip must be > 0, got {clip}")
    behavior = behavior_log_prob.detach()
    possible = slot_mask & ~torch.isneginf(log_prob) & ~torch.isneginf(behavior)
    ratio = (log_prob - behavior).masked_fill(~possible, 0.0).exp()  # [B, G, N]
    gain = _by_slot(advantage)
    surrogate = torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain)
    return -surrogate.masked_fill(~possible, 0.0).sum(dim=-1).mean()


def _check_slates(function: str, log_prob: Tensor, advantage: Tensor, slot_mask: Tensor) -> None:
    check_axes(function, "log_prob", log_prob, "BGN")
    check_floating(function, "log_prob", log_prob)
    check_floating(function, "advantage", advantage)
    axes = 3 if advantage.dim() == 3 else 2
    check_shape(function, "advantage", advantage, log_prob.shape[:axes])
    check_mask(function, "slot_mask", slot_mask, log_prob.shape)


def _by_slot(advantage: Tensor) -> Tensor:
    """[B, G] -> [B, G, 1], [B, G, N] as it is: what each choice is weighed by, without gradient."""
    weight = advantage.detach()
    return weight if weight.dim() == 3 else weight.unsqueeze(-1)
