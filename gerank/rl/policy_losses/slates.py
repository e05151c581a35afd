"""The arguments that all policy losses share."""

from __future__ import annotations

from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_mask, check_shape


def check_slates(function: str, log_prob: Tensor, advantage: Tensor, slot_mask: Tensor) -> None:
    """Shapes and dtypes of log_prob [B, G, N], advantage [B, G] and slot_mask [B, G, N] bool.

    Raises:
        ValueError: Naming function, argument and rule.
    """
    check_axes(function, "log_prob", log_prob, "BGN")
    check_floating(function, "log_prob", log_prob)
    check_floating(function, "advantage", advantage)
    check_shape(function, "advantage", advantage, log_prob.shape[:2])
    check_mask(function, "slot_mask", slot_mask, log_prob.shape)
