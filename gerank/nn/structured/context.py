"""What the items above change: repeats of groups by lag, and a small network of the neighbours.

Axes: K members, E slates, N slots, G group keys.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from gerank.nn.structured.attraction import FACET_WIDTH

_LAGS = 3
_DELTA_DEVIATION, _FARTHEST_DEVIATION = 0.3, 1.0
_HIDDEN = 16


class Repeats(nn.Module):
    """Effect of a group that stood above, by how far above: lags 1, 2, 3 and farther.

    w_farther is free; w_3 = w_farther + d_3, w_2 = w_3 + d_2, w_1 = w_2 + d_1 with normal priors on
    the differences: a lag that no log shows (a spacing rule excluded it) takes its neighbour's
    effect instead of none.
    """

    deviation: Tensor

    def __init__(self, members: int, groups: int) -> None:
        super().__init__()
        self.steps = nn.Parameter(torch.zeros(members, groups, _LAGS + 1))  # farthest first
        deviation = torch.tensor([_FARTHEST_DEVIATION] + [_DELTA_DEVIATION] * _LAGS)
        self.register_buffer("deviation", deviation, persistent=False)

    def forward(self, groups: Tensor, mask: Tensor, above: Tensor) -> Tensor:
        """[K, E, N] logits.

        Args:
            groups: [E, N, G] int64. -1 = none.
            mask: [E, N] bool. True = filled.
            above: [E, A, G] int64. Groups of what stands above the page; -1 = none.
        """
        effect = self.steps.cumsum(-1).flip(-1)  # lag 1 first, farther last
        counts = repeats_by_lag(groups, mask, above)
        return torch.einsum("enl,kl->ken", counts, effect.flatten(1))

    def prior(self) -> Tensor:
        """[K] minus the log density of the effects, up to a constant."""
        return ((self.steps / self.deviation).square() / 2).sum((1, 2))


def repeats_by_lag(groups: Tensor, mask: Tensor, above: Tensor) -> Tensor:
    """How often a slot's groups stand above it, by lag.

    Args:
        groups: [E, N, G] int64. -1 = none.
        mask: [E, N] bool. True = filled.
        above: [E, A, G] int64. Groups of what stands above the page, the last of them directly
            above its first slot; -1 = none.

    Returns:
        [E, N, G * 4] float32: per group key the counts at lags 1, 2, 3 and farther. Lags are
        counted in slots.
    """
    reach = above.size(1)
    groups = torch.cat([above, groups], dim=1)
    known = functional.pad(mask, (reach, 0), value=True).unsqueeze(-1) & (groups >= 0)
    # Unknown groups are equal to none: in a slot they are another number than above it.
    here, higher = torch.where(known, groups, -1), torch.where(known, groups, -2)
    counts = [torch.zeros(groups.shape, device=groups.device) for _ in range(_LAGS + 1)]
    for lag in range(1, groups.size(1)):
        counts[min(lag, _LAGS + 1) - 1][:, lag:] += here[:, lag:] == higher[:, :-lag]
    return torch.stack(counts, dim=-1).flatten(2)[:, reach:]


class Neighbours(nn.Module):
    """A small causal network of (item - item above, item, mean of the items above, facets).

    Facets are projections of an item's features: what it shows to the one below it. It sees the
    page alone, for of what stands above a page only groups and flags are told.
    """

    def __init__(self, members: int) -> None:
        super().__init__()
        inputs = 4 + 2 * FACET_WIDTH
        self.first = nn.Parameter(0.5 * torch.randn(members, inputs, _HIDDEN) / inputs**0.5)
        self.first_bias = nn.Parameter(torch.zeros(members, _HIDDEN))
        self.last = nn.Parameter(torch.zeros(members, _HIDDEN))

    def forward(self, strength: Tensor, facets: Tensor, mask: Tensor) -> Tensor:
        """[K, E, N] logits, 0 where nothing stands above.

        Args:
            strength: [K, E, N]. The item's own part of the logit.
            facets: [K, E, N, 2 * FACET_WIDTH].
            mask: [E, N] bool. True = filled.
        """
        filled = mask.unsqueeze(0).to(strength.dtype)
        strength = strength * filled
        count = filled.cumsum(-1) - filled
        mean_above = (strength.cumsum(-1) - strength) / count.clamp(min=1)
        above = functional.pad(strength, (1, -1))
        has_above = functional.pad(filled, (1, -1)).expand_as(strength)
        shown, taken = facets.tensor_split(2, dim=-1)
        shown_above = functional.pad(shown, (0, 0, 1, -1)) * has_above.unsqueeze(-1)
        plain = [(strength - above) * has_above, strength, mean_above, has_above]
        inputs = torch.cat([torch.stack(plain, dim=-1), shown_above, taken], dim=-1)
        hidden = torch.tanh(
            torch.einsum("keni,kih->kenh", inputs, self.first) + self.first_bias[:, None, None]
        )
        logits = torch.einsum("kenh,kh->ken", hidden, self.last)
        return logits * (count > 0)

    def prior(self) -> Tensor:
        """[K] squared norm of the last layer."""
        return self.last.square().sum(1)
