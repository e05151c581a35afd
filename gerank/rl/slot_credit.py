"""Credit per slot: which choice of a slate earned what, and what was still to come from it on."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from gerank.rl.shapes import check_axes, check_floating


def slot_returns(credits: Tensor, discount: float = 1.0, *, below: int = 0) -> Tensor:
    """G_n = sum_{k >= n} discount^(k - n) c_k: the return to go, what slot n and later ones earned.

    Where c_n depends on the choices of slots 1..n alone, the choice of slot n has no part in
    c_1..c_{n-1}, so that with discount 1 a policy gradient weighed by G_n has the expectation of
    one weighed by the whole sum, without the noise of slots before n. This is the policy gradient
    theorem: Sutton, McAllester, Singh and Mansour, "Policy gradient methods for reinforcement
    learning with function approximation", NIPS 1999; Sutton and Barto, "Reinforcement learning: an
    introduction", 2nd edition, 2018, section 13.3. A discount below 1 trades bias for variance.

    Where c_n depends on the `below` slots under it as well, the choice of slot n has a part in the
    credit of as many slots above, and the sum begins there, undiscounted: without them a choice
    that lifts its upper neighbour is never thanked for it.

    Args:
        credits: [..., N]. c_n of each slot.
        discount: 0..1.
        below: How many slots under a slot have a part in its credit, at least 0.

    Returns:
        [..., N].

    Raises:
        ValueError: Shape, dtype, a discount outside of 0..1, or `below` < 0.
    """
    check_axes("slot_returns", "credits", credits, "...N")
    check_floating("slot_returns", "credits", credits)
    if not 0 <= discount <= 1:
        raise ValueError(f"slot_returns: discount must be in 0..1, got {discount}")
    if below < 0:
        raise ValueError(f"slot_returns: below must be >= 0, got {below}")
    slots = torch.arange(credits.shape[-1], device=credits.device)
    later = slots[:, None] - slots  # [N, N], how far slot k lies behind slot n
    factor = torch.pow(discount, later.clamp(min=0).to(credits.dtype)).masked_fill(
        later < -below, 0.0
    )
    return credits @ factor


def at_last_slot(value: Tensor, slots: int) -> Tensor:
    """The credit of what only the whole slate earns: it falls due at the last slot, N - 1.

    So every return to go holds it, whether that slot is filled or not.

    Args:
        value: [...]. Holds one value for each whole slate.
        slots: N, at least 1.

    Returns:
        [..., N]. Zeros but for the last slot.

    Raises:
        ValueError: `slots` < 1.
    """
    if slots < 1:
        raise ValueError(f"at_last_slot: slots must be >= 1, got {slots}")
    return functional.pad(value.unsqueeze(-1), (slots - 1, 0))
