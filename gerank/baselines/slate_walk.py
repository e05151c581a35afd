"""Along slates with gradient: what a network says of every slot, as it learns from a page.

Rules of requests are not in a log, so that training needs none: a candidate is free until it is
placed.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gerank.baselines.rerank_network import RerankNetwork

_OUT = -1e9  # finite, so that a slot without any free candidate has no NaN in its gradient


@dataclass(frozen=True)
class SlateWalk:
    """B slates and what was said of their slots.

    Attributes:
        slates: [B, N] int64. -1 behind the end.
        free: [B, N, M] bool. Who might have taken the slot.
        log_p: [B, N, M]. Their log-probabilities; very low for others.
    """

    slates: Tensor
    free: Tensor
    log_p: Tensor

    def log_prob(self, slates: Tensor | None = None) -> Tensor:
        """[B, N] of the choices of `slates` (None = those of the walk); 0 at empty slots.

        It is 0, too, where a choice was not free any more, as it may be where the walk went its own
        way.
        """
        slates = self.slates if slates is None else slates
        place = slates.clamp(min=0).unsqueeze(-1)
        possible = (slates >= 0) & self.free.gather(2, place).squeeze(-1)
        return self.log_p.gather(2, place).squeeze(-1).masked_fill(~possible, 0.0)

    def entropy(self) -> Tensor:
        """[B, N] in nats; 0 at empty slots."""
        entropy = -(self.log_p.exp() * self.log_p).masked_fill(~self.free, 0.0).sum(-1)
        return entropy * (self.slates >= 0)


def walk(
    network: RerankNetwork,
    state: list[Tensor],
    free: Tensor,
    slots: int,
    *,
    given: Tensor | None = None,
    greedy: bool = False,
) -> SlateWalk:
    """Fills slots along given slates, by argmax or by samples.

    Args:
        network: Says what candidates are worth.
        state: Its state of B requests at their first slot.
        free: [B, M] bool. Candidates that may be placed at all.
        slots: N.
        given: [B, N] int64. What is placed; None = the network chooses.
        greedy: Whether it chooses the best or draws.
    """
    slates, frees, log_ps = [], [], []
    for slot in range(slots):
        log_p = network.slot_logits(state).masked_fill(~free, _OUT).log_softmax(1)
        if given is not None:
            choice = given[:, slot]
        elif greedy:
            choice = log_p.argmax(1)
        else:
            noise = -torch.empty(log_p.shape, dtype=log_p.dtype).exponential_().log()
            noise = noise.to(log_p.device)  # drawn alike on every device
            choice = (log_p.detach() + noise).masked_fill(~free, _OUT * 2).argmax(1)
        choice = torch.where(free.any(1), choice, -1)
        slates.append(choice)
        frees.append(free)
        log_ps.append(log_p)
        taken = torch.arange(free.size(1), device=free.device) == choice.unsqueeze(1)
        free, state = free & ~taken, network.placed(state, choice)
    return SlateWalk(torch.stack(slates, 1), torch.stack(frees, 1), torch.stack(log_ps, 1))


def repeated(state: list[Tensor], times: int) -> list[Tensor]:
    """The state of B requests as that of B * times, neighbours belonging to one request."""
    return [part.repeat_interleave(times, dim=0) for part in state]
