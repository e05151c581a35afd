"""The entropy of the policy as a loss beside the policy loss."""

from __future__ import annotations

from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_mask


def entropy_loss(entropy: Tensor, slot_mask: Tensor) -> Tensor:
    """L = -mean_bg sum_n H(p_n): added to a policy loss with a small weight, it keeps exploring.

    Mnih et al., "Asynchronous methods for deep reinforcement learning", ICML 2016.

    Args:
        entropy: [B, G, N]. Is that of the distribution each choice was drawn from, with gradient.
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
