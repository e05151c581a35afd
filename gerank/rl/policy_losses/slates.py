"""The arguments that all policy losses share."""

from __future__ import annotations

from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_mask, check_shape


def check_slates(function: str, log_prob: Tensor, advantage: Tensor, slot_mask: Tensor) -> None:
    """Shapes and dtypes of log_prob [B, G, N], advantage and slot_mask [B, G, N] bool.

    The advantage is [B, G] of slates or [B, G, N] of their slots.

    Raises:
        ValueError: Naming function, argument and rule.
    """
    check_axes(function, "log_prob", log_prob, "BGN")
    check_floating(function, "log_prob", log_prob)
    check_floating(function, "advantage", advantage)
    axes = 3 if advantage.dim() == 3 else 2
    check_shape(function, "advantage", advantage, log_prob.shape[:axes])
    check_mask(function, "slot_mask", slot_mask, log_prob.shape)


def slot_advantage(advantage: Tensor) -> Tensor:
    """[B, G] -> [B, G, 1], [B, G, N] as it is: what each choice is weighed by, without gradient."""
    weight = advantage.detach()
    return weight if weight.dim() == 3 else weight.unsqueeze(-1)
