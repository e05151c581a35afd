"""REINFORCE: the policy gradient as it stands."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.rl.policy_losses.slates import check_slates, slot_advantage


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

    Args:
        log_prob: [B, G, N]. Holds each choice's log-probability, with gradient; 0 at pinned slots.
        advantage: [B, G] or [B, G, N]. See `gerank.rl.baselines`; no gradient flows into it.
        slot_mask: [B, G, N] bool. Slots that hold a candidate.
        behavior_log_prob: Is of no use here; it is taken so that all policy losses are called
            alike.

    Returns:
        Scalar.

    Raises:
        ValueError: Shapes or dtypes.
    """
    check_slates("reinforce", log_prob, advantage, slot_mask)
    possible = slot_mask & ~torch.isneginf(log_prob)
    weighed = slot_advantage(advantage) * log_prob.masked_fill(~possible, 0.0)  # [B, G, N]
    return -weighed.sum(dim=-1).mean()
