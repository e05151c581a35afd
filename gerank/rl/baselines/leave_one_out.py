"""The other sampled slates of a request as baseline."""

from __future__ import annotations

from torch import Tensor

from gerank.rl.baselines.reference import check_sampled


def leave_one_out(reward: Tensor, reference: Tensor | None = None) -> Tensor:
    """A_bg = R(y_bg) - mean of R(y_bj) over the other slates j of the request, or so slot by slot.

    By slot R is a return to go, and the others' is taken at the same slot. Kool, van Hoof and
    Welling, "Buy 4 REINFORCE samples, get a baseline for free!", ICLR workshop 2019.

    Args:
        reward: [B, G] or [B, G, N]. Holds the rewards of independently sampled slates, G >= 2.
        reference: Is of no use here; it is taken so that all baselines are called alike.

    Returns:
        The shape of `reward`. Sums to 0 over G.

    Raises:
        ValueError: Shapes or dtypes, or G < 2.
    """
    check_sampled("leave_one_out", reward)
    slates = reward.shape[1]
    if slates < 2:
        raise ValueError(f"leave_one_out: needs G >= 2 slates per request, got {slates}")
    sampled = reward.detach()
    others = (sampled.sum(dim=1, keepdim=True) - sampled) / (slates - 1)
    return sampled - others
