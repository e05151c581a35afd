"""What a network of one's own would show only when it has learnt is refused before training."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gerank.nn.own_network import check_network


class Gated(nn.Module):
    """Looks below as soon as it has learnt to."""

    def __init__(self, candidate_width: int, user_width: int, slots: int) -> None:
        super().__init__()
        self.score = nn.Linear(candidate_width, 1)
        self.gate = nn.Parameter(torch.zeros(()))

    def forward(self, items: Tensor, users: Tensor, mask: Tensor) -> Tensor:
        own = self.score(items).squeeze(-1)
        return own + self.gate * (own * mask).sum(1, keepdim=True)


class Normalised(nn.Module):
    def __init__(self, candidate_width: int, user_width: int, slots: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(candidate_width)
        self.score = nn.Linear(candidate_width, 1)

    def forward(self, items: Tensor, users: Tensor, mask: Tensor) -> Tensor:
        return self.score(self.norm(items.transpose(1, 2)).transpose(1, 2)).squeeze(-1)


class Lazy(nn.Module):
    def __init__(self, candidate_width: int, user_width: int, slots: int) -> None:
        super().__init__()
        self.score = nn.LazyLinear(1)

    def forward(self, items: Tensor, users: Tensor, mask: Tensor) -> Tensor:
        return self.score(items).squeeze(-1)


class Detached(nn.Module):
    def __init__(self, candidate_width: int, user_width: int, slots: int) -> None:
        super().__init__()
        self.score = nn.Linear(candidate_width, 1)

    def forward(self, items: Tensor, users: Tensor, mask: Tensor) -> Tensor:
        return self.score(items).squeeze(-1).detach()


class Fixed(nn.Module):
    def __init__(self, candidate_width: int, user_width: int, slots: int) -> None:
        super().__init__()

    def forward(self, items: Tensor, users: Tensor, mask: Tensor) -> Tensor:
        return items.sum(-1)


@pytest.mark.parametrize(
    ("network", "words"),
    [
        (Gated, "what lies in an empty slot|depends on the slots below it"),
        (Normalised, "BatchNorm1d mixes pages"),
        (Lazy, "has a lazy layer"),
        (Detached, "no gradient"),
        (Fixed, "has no parameters that learn"),
    ],
)
def test_what_a_network_would_show_only_later_is_refused_before_training(
    network: type[nn.Module], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        check_network(f"{__name__}:{network.__name__}")
