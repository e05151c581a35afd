"""PPO: several steps on one roll-out, none of them too far."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.rl.policy_losses.slates import check_slates, slot_advantage
from gerank.rl.shapes import check_shape


def ppo_clipped(
    log_prob: Tensor,
    behavior_log_prob: Tensor,
    advantage: Tensor,
    slot_mask: Tensor,
    clip: float = 0.2,
) -> Tensor:
    """L = -mean_bg sum_n min(rho A, clamp(rho, 1 - clip, 1 + clip) A), rho = p(y_n) / p_old(y_n).

    A is A_bg of the slate or A_bgn of the slot.
    For several steps on one roll-out: a choice whose probability has moved by more than `clip` in
    the direction of its advantage gets no further gradient. Where p = p_old the gradient is that
    of `reinforce`. Schulman et al., "Proximal policy optimization algorithms", 2017.

    Args:
        log_prob: [B, G, N]. Is that of each choice under the policy being trained, with gradient.
        behavior_log_prob: [B, G, N]. Is that under the policy that sampled; no gradient flows into
            it.
        advantage: [B, G] or [B, G, N]. See `gerank.rl.baselines`; no gradient flows into it.
        slot_mask: [B, G, N] bool. Slots that hold a candidate.
        clip: How far rho may move, > 0.

    Returns:
        Scalar.

    Raises:
        ValueError: Shapes, dtypes, or clip <= 0.
    """
    check_slates("ppo_clipped", log_prob, advantage, slot_mask)
    check_shape("ppo_clipped", "behavior_log_prob", behavior_log_prob, log_prob.shape)
    if not clip > 0:
        raise ValueError(f"ppo_clipped: clip must be > 0, got {clip}")
    behavior = behavior_log_prob.detach()
    possible = slot_mask & ~torch.isneginf(log_prob) & ~torch.isneginf(behavior)
    ratio = (log_prob - behavior).masked_fill(~possible, 0.0).exp()  # [B, G, N]
    gain = slot_advantage(advantage)
    surrogate = torch.minimum(ratio * gain, ratio.clamp(1 - clip, 1 + clip) * gain)
    return -surrogate.masked_fill(~possible, 0.0).sum(dim=-1).mean()
