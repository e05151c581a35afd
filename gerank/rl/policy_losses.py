"""Policy-gradient losses of sampled slates.

All sum over the slots of a slate and average over requests and slates, and all treat a choice of
log-probability -inf (a teacher-forced slate that the rules forbid) alike: no gradient can make it
possible, so it counts as nothing, where -inf times an advantage of zero would have been NaN.
"""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_mask, check_shape


def reinforce(log_prob: Tensor, advantage: Tensor, slot_mask: Tensor) -> Tensor:
    """L = -mean_bg A_bg sum_n log p(y_bgn).

    Its gradient is an unbiased estimate of that of minus the expected reward. Williams, "Simple
    statistical gradient-following algorithms", Machine Learning 1992.

    Args:
        log_prob: [B, G, N]. Of each choice, with gradient; 0 at pinned slots.
        advantage: [B, G]. See `gerank.rl.advantages`; no gradient flows into it.
        slot_mask: [B, G, N] bool. Slots that hold a candidate.

    Returns:
        Scalar.

    Raises:
        ValueError: Shapes or dtypes.
    """
    _check_slates("reinforce", log_prob, advantage, slot_mask)
    possible = slot_mask & ~torch.isneginf(log_prob)
    slate_log_prob = log_prob.masked_fill(~possible, 0.0).sum(dim=-1)  # [B, G]
    return -(advantage.detach() * slate_log_prob).mean()


def ppo_clipped(
    log_prob: Tensor,
    behavior_log_prob: Tensor,
    advantage: Tensor,
    slot_mask: Tensor,
    clip: float = 0.2,
) -> Tensor:
    """L = -mean_bg sum_n min(rho A, clamp(rho, 1 - clip, 1 + clip) A), rho = p(y_n) / p_old(y_n).

    For several steps on one roll-out: a choice whose probability has moved by more than `clip` in
    the direction of its advantage gets no further gradient. Where p = p_old the gradient is that
    of `reinforce`. Schulman et al., "Proximal policy optimization algorithms", 2017.

    Args:
        log_prob: [B, G, N]. Of each choice under the policy being trained, with gradient.
        behavior_log_prob: [B, G, N]. Under the policy that sampled; no gradient flows into it.
        advantage: [B, G]. See `gerank.rl.advantages`; no gradient flows into it.
        slot_mask: [B, G, N] bool. Slots that hold a candidate.
        clip: How far rho may move, > 0.

    Returns:
        Scalar.

    Raises:
        ValueError: Shapes, dtypes, or clip <= 0.
    """
    _check_slates("ppo_clipped", log_prob, advantage, slot_mask)
    check_shape("ppo_clipped", "behavior_log_prob", behavior_log_prob, log_prob.shape)
    if not clip > 0:
        raise ValueError(f"ppo_clipped: clip must be > 0, got {clip}")
    behavior = behavior_log_prob.detach()
    possible = slot_mask & ~torch.isneginf(log_prob) & ~torch.isneginf(behavior)
    ratio = (log_prob - behavior).masked_fill(~possible, 0.0).exp()  # [B, G, N]
    gain = advantage.detach()[..., None]
    surrogate = torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain)
    return -surrogate.masked_fill(~possible, 0.0).sum(dim=-1).mean()


def entropy_loss(entropy: Tensor, slot_mask: Tensor) -> Tensor:
    """L = -mean_bg sum_n H(p_n): added to a policy loss with a small weight, it keeps exploring.

    Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML 2016.

    Args:
        entropy: [B, G, N]. Of the distribution that each choice was drawn from, with gradient.
        slot_mask: [B, G, N] bool. Slots that hold a candidate.

    Returns:
        Scalar.

    Raises:
        ValueError: Shapes or dtypes.
    """
    check_axes("entropy_loss", "entropy", entropy, "BGN")
    check_floating("entropy_loss", "entropy", entropy)
    check_mask("entropy_loss", "slot_mask", slot_mask, entropy.shape)
    return -entropy.masked_fill(~slot_mask, 0.0).sum(dim=-1).mean()


def _check_slates(function: str, log_prob: Tensor, advantage: Tensor, slot_mask: Tensor) -> None:
    check_axes(function, "log_prob", log_prob, "BGN")
    check_floating(function, "log_prob", log_prob)
    check_floating(function, "advantage", advantage)
    check_shape(function, "advantage", advantage, log_prob.shape[:2])
    check_mask(function, "slot_mask", slot_mask, log_prob.shape)
