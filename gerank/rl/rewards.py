"""The reward of a slate: its utilities, weighted by the preferences of the request."""

from __future__ import annotations

import torch
from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_shape


def weighted_reward(utilities: Tensor, weights: Tensor) -> Tensor:
    """R_w = sum_i w_i U_i, each request with its own weights.

    Chen et al., "Controllable multi-objective re-ranking with policy hypernetworks", KDD 2023.

    Args:
        utilities: [B, U] of one slate per request, [B, G, U] of several, or [B, G, N, U] of each of
            their slots.
        weights: [B, U]. Preference weights of each request.

    Returns:
        [B], [B, G] or [B, G, N]: `utilities` without its last axis.

    Raises:
        ValueError: Shapes or dtypes.
    """
    return weighted_terms(utilities, weights).sum(dim=-1)


def weighted_terms(utilities: Tensor, weights: Tensor) -> Tensor:
    """w_i U_i, the terms of `weighted_reward`: what each utility contributes.

    Args:
        utilities: [B, U], [B, G, U] or [B, G, N, U].
        weights: [B, U].

    Returns:
        The shape of `utilities`.

    Raises:
        ValueError: Shapes or dtypes.
    """
    check_axes("weighted_reward", "weights", weights, "BU")
    axes = {2: "BU", 4: "BGNU"}.get(utilities.dim(), "BGU")
    check_axes("weighted_reward", "utilities", utilities, axes)
    check_floating("weighted_reward", "utilities", utilities)
    check_floating("weighted_reward", "weights", weights)
    requests, kinds = utilities.shape[0], utilities.shape[-1]
    check_shape("weighted_reward", "weights", weights, torch.Size([requests, kinds]))
    return utilities * weights.view(requests, *[1] * (utilities.dim() - 2), kinds)


def utility_scales(utilities: Tensor) -> Tensor:
    """s_i = sqrt(mean_e var_p U_i(e, p)): by how much the choice of a slate moves each utility.

    Divided by its scale a utility has a deviation of 1 over the slates of one page, so that equal
    weights mean equal pulls. Differences between pages do not count: an advantage compares slates
    of one page.

    Args:
        utilities: [E, P, U]. Holds the utilities of P >= 2 slates on each of E pages.

    Returns:
        [U]. 1 where no slate differs from another on any page: there is nothing to scale.

    Raises:
        ValueError: Shapes, dtypes, or P < 2.
    """
    check_axes("utility_scales", "utilities", utilities, "EPU")
    check_floating("utility_scales", "utilities", utilities)
    if utilities.shape[1] < 2:
        raise ValueError(f"utility_scales: needs P >= 2 slates per page, got {utilities.shape[1]}")
    deviation = utilities.double().var(dim=1).mean(dim=0).sqrt()
    # Below this a float32 utility has moved by rounding alone.
    still = deviation <= 1e-6 * utilities.double().abs().amax(dim=(0, 1)).clamp(min=1e-6)
    return torch.where(still, 1.0, deviation).to(utilities.dtype)
