"""Advantages: the reward of a sampled slate, less what could be had anyway.

A baseline that does not depend on the sampled slate leaves the expected policy gradient as it
is and takes away variance. All are called as `baseline(reward, reference)` with the rewards
[B, G] of sampled slates and of one slate [B] to compare with, and answer the advantage
[B, G], which carries no gradient. With credit by slot the same holds of returns to go
(`gerank.rl.slot_credit`): [B, G, N] and [B, N] give [B, G, N], slot by slot; and what does not
depend on the choices from slot n on is a baseline of slot n. All raise ValueError where shapes or
dtypes do not fit.
"""

from __future__ import annotations

from torch import Tensor

from gerank.rl.shapes import check_axes, check_floating, check_shape


def exposed_page(reward: Tensor, exposed_reward: Tensor) -> Tensor:
    """A_bg = R(y_bg) - R(page that was shown to b): zero means "as good as what was shown".

    Both rewards have the same utilities and weights. This is the baseline of the generator loss:
    Williams, "Simple statistical gradient-following algorithms", Machine Learning 1992.
    """
    return _less("exposed_page", reward, exposed_reward, "exposed_reward")


def greedy_rollout(reward: Tensor, greedy_reward: Tensor) -> Tensor:
    """A_bg = R(y_bg) - R(the policy's own greedy slate for b): what sampling found beyond it.

    Rennie et al., "Self-critical sequence training for image captioning", CVPR 2017.
    """
    return _less("greedy_rollout", reward, greedy_reward, "greedy_reward")


def leave_one_out(reward: Tensor, reference: Tensor | None = None) -> Tensor:
    """A_bg = R(y_bg) - mean of R(y_bj) over the other slates j of the request, or so slot by slot.

    By slot R is a return to go, and the others' is taken at the same slot. Kool, van Hoof and
    Welling, "Buy 4 REINFORCE samples, get a baseline for free!", ICLR workshop 2019.

    Args:
        reward: [B, G] or [B, G, N]. Holds the rewards of independently sampled slates, G >= 2.
        reference: Is of no use here; it is taken so that all baselines are called alike.

    Returns:
        The shape of `reward`. Sums to 0 over G.
    """
    _check_sampled("leave_one_out", reward)
    slates = reward.shape[1]
    if slates < 2:
        raise ValueError(f"leave_one_out: needs G >= 2 slates per request, got {slates}")
    sampled = reward.detach()
    others = (sampled.sum(dim=1, keepdim=True) - sampled) / (slates - 1)
    return sampled - others


def _less(function: str, reward: Tensor, reference: Tensor, name: str) -> Tensor:
    """The reward less that of the reference; `function` and `name` are for messages."""
    _check_sampled(function, reward)
    check_floating(function, name, reference)
    check_shape(function, name, reference, reward[:, 0].shape)
    return reward.detach() - reference.detach()[:, None]


def _check_sampled(function: str, reward: Tensor) -> None:
    check_axes(function, "reward", reward, "BGN" if reward.dim() == 3 else "BG")
    check_floating(function, "reward", reward)
