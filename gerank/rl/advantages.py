"""Advantages: the reward of a sampled slate, less what could be had anyway.

A baseline that does not depend on the sampled slate leaves the expected policy gradient as it
is and takes away variance. Three of them, with one signature for the rewards they start from.
All return tensors that carry no gradient.
"""

from __future__ import annotations

from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_shape


def exposed_page(reward: Tensor, exposed_reward: Tensor) -> Tensor:
    """A_bg = R(y_bg) - R(page that was shown to b).

    The baseline of the generator loss: zero means "as good as what was shown". Williams,
    "Simple statistical gradient-following algorithms", Machine Learning 1992.

    Args:
        reward: [B, G]. Of the sampled slates.
        exposed_reward: [B]. Of the exposed page, by the same utilities and weights.

    Returns:
        [B, G].

    Raises:
        ValueError: Shapes or dtypes.
    """
    return _less_one_per_request("exposed_page", reward, exposed_reward, "exposed_reward")


def greedy_rollout(reward: Tensor, greedy_reward: Tensor) -> Tensor:
    """A_bg = R(y_bg) - R(the policy's own greedy slate for b).

    Rennie et al., "Self-critical sequence training for image captioning", CVPR 2017.

    Args:
        reward: [B, G]. Of the sampled slates.
        greedy_reward: [B]. Of the greedy slate.

    Returns:
        [B, G].

    Raises:
        ValueError: Shapes or dtypes.
    """
    return _less_one_per_request("greedy_rollout", reward, greedy_reward, "greedy_reward")


def leave_one_out(reward: Tensor) -> Tensor:
    """A_bg = R(y_bg) - mean of R(y_bj) over the other slates j of the request.

    Kool, van Hoof and Welling, "Buy 4 REINFORCE samples, get a baseline for free!", ICLR
    workshop 2019.

    Args:
        reward: [B, G]. Of independently sampled slates, G >= 2.

    Returns:
        [B, G]. Sums to 0 over G.

    Raises:
        ValueError: Shapes or dtypes, or G < 2.
    """
    check_axes("leave_one_out", "reward", reward, "BG")
    check_floating("leave_one_out", "reward", reward)
    slates = reward.shape[1]
    if slates < 2:
        raise ValueError(f"leave_one_out: needs G >= 2 slates per request, got {slates}")
    sampled = reward.detach()
    others = (sampled.sum(dim=1, keepdim=True) - sampled) / (slates - 1)
    return sampled - others


def _less_one_per_request(function: str, reward: Tensor, baseline: Tensor, name: str) -> Tensor:
    check_axes(function, "reward", reward, "BG")
    check_floating(function, "reward", reward)
    check_floating(function, name, baseline)
    check_shape(function, name, baseline, reward.shape[:1])
    return reward.detach() - baseline.detach()[:, None]
