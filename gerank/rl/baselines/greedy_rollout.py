"""The policy's own greedy slate as baseline: what sampling found beyond it."""

from __future__ import annotations

from torch import Tensor

from gerank.rl.baselines.reference import less_reference


def greedy_rollout(reward: Tensor, greedy_reward: Tensor) -> Tensor:
    """A_bg = R(y_bg) - R(the policy's own greedy slate for b).

    Rennie et al., "Self-critical sequence training for image captioning", CVPR 2017.

    Args:
        reward: [B, G], or [B, G, N] by slot. Holds the rewards of the sampled slates.
        greedy_reward: [B], or [B, N] by slot. Holds the reward of the greedy slate.

    Returns:
        The shape of `reward`.

    Raises:
        ValueError: Shapes or dtypes.
    """
    return less_reference("greedy_rollout", reward, greedy_reward, "greedy_reward")
