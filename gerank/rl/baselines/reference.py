"""What baselines share: rewards of sampled slates, less one slate's per request."""

from __future__ import annotations

from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_shape


def less_reference(function: str, reward: Tensor, reference: Tensor, name: str) -> Tensor:
    """Reward [B, G] - reference [B], or [B, G, N] - [B, N]; without gradient.

    `function` and `name` are for messages.

    Raises:
        ValueError: Shapes or dtypes.
    """
    check_sampled(function, reward)
    check_floating(function, name, reference)
    check_shape(function, name, reference, reward[:, 0].shape)
    return reward.detach() - reference.detach()[:, None]


def check_sampled(function: str, reward: Tensor) -> None:
    """`reward` is [B, G] of slates or [B, G, N] of their slots, floating point.

    Raises:
        ValueError: Naming function, argument and rule.
    """
    check_axes(function, "reward", reward, "BGN" if reward.dim() == 3 else "BG")
    check_floating(function, "reward", reward)
