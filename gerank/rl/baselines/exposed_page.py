"""The exposed page as baseline: zero means as good as what was shown."""

from __future__ import annotations

from torch import Tensor

from gerank.rl.baselines.reference import less_reference


def exposed_page(reward: Tensor, exposed_reward: Tensor) -> Tensor:
    """A_bg = R(y_bg) - R(page that was shown to b).

    The baseline of the generator loss: zero means "as good as what was shown". Williams,
    "Simple statistical gradient-following algorithms", Machine Learning 1992.

    Args:
        reward: [B, G], or [B, G, N] by slot. Holds the rewards of the sampled slates.
        exposed_reward: [B], or [B, N] by slot. Holds the reward of the exposed page, by the same
            utilities and weights.

    Returns:
        The shape of `reward`.

    Raises:
        ValueError: Shapes or dtypes.
    """
    return less_reference("exposed_page", reward, exposed_reward, "exposed_reward")
