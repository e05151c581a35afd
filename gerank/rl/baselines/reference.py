"""What two baselines share: one reward per request, taken from all its slates."""

from __future__ import annotations

from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_shape


def less_reference(function: str, reward: Tensor, reference: Tensor, name: str) -> Tensor:
    """Reward [B, G] - reference [B], without gradient; `function` and `name` are for messages.

    Raises:
        ValueError: Shapes or dtypes.
    """
    check_axes(function, "reward", reward, "BG")
    check_floating(function, "reward", reward)
    check_floating(function, name, reference)
    check_shape(function, name, reference, reward.shape[:1])
    return reward.detach() - reference.detach()[:, None]
