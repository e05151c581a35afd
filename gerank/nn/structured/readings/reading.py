"""What every form of reading a page promises, and the page's hidden intent that all of them share.

Axes: K members of an ensemble, E pages, N slots, Q nodes of the quadrature over the intent.
"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor, nn

_NODES = 5


class Reading(nn.Module):
    """How attractions become clicks: a click model over the slots of a page.

    A form is a subclass that states two things: the likelihood of the clicks of a page given the
    page's intent, and the marginal click probability of each slot given it. Chuklin, Markov and de
    Rijke, "Click Models for Web Search", 2015, name the forms that are known.

    The intent of a page is a standard normal number that is added to all its logits with a weight
    `spread` and that no feature tells. It is integrated out by Gauss-Hermite quadrature. Without
    it, clicks above would tell something about the slots below in every log, and forms in which
    they do would be chosen for that reason alone.
    """

    nodes: Tensor
    log_weights: Tensor

    def __init__(self, members: int, slots: int) -> None:
        super().__init__()
        self.members, self.slots = members, slots
        places, weights = np.polynomial.hermite_e.hermegauss(_NODES)
        self.register_buffer("nodes", torch.tensor(places, dtype=torch.float32), persistent=False)
        log_weights = torch.tensor(np.log(weights / weights.sum()), dtype=torch.float32)
        self.register_buffer("log_weights", log_weights, persistent=False)
        self.spread = nn.Parameter(torch.full((members,), -1.0))  # softplus of it is .31

    def start_from(self, rates: Tensor) -> Tensor:
        """Takes starting values from the slots' click rates.

        Args:
            rates: [N] float. Smoothed, strictly between 0 and 1.

        Returns:
            The logit that an average item should start from: a scalar, or [K].
        """
        raise NotImplementedError

    def page_log_likelihood(self, logits: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        """Log P(all clicks of a page | intent): [K, E, Q] of logits [K, E, N, Q].

        Args:
            logits: [K, E, N, Q]. Attraction, intent included.
            clicks: [E, N] float, 0 or 1.
            mask: [E, N] bool. True = filled.
        """
        raise NotImplementedError

    def page_marginal(self, logits: Tensor, mask: Tensor) -> Tensor:
        """P(click at n | intent), whatever happens above: [K, E, N, Q] of logits [K, E, N, Q]."""
        raise NotImplementedError

    def page_counts(self, logits: Tensor, mask: Tensor) -> Tensor:
        """P(no click | intent) and P(exactly one click | intent): [2, K, E, Q]."""
        raise NotImplementedError

    def log_likelihood(self, attraction: Tensor, clicks: Tensor, mask: Tensor) -> Tensor:
        """Log P(all clicks of a page), which is the sum of those given the clicks above.

        Args:
            attraction: [K, E, N]. Logits.
            clicks: [E, N] float, 0 or 1.
            mask: [E, N] bool. True = filled.

        Returns:
            [K, E].
        """
        by_intent = self.page_log_likelihood(self._with_intent(attraction), clicks, mask)
        return torch.logsumexp(by_intent + self.log_weights, dim=-1)

    def marginal(self, attraction: Tensor, mask: Tensor) -> Tensor:
        """P(click at n): [K, E, N], 0 at empty slots; attraction [K, E, N], mask [E, N]."""
        by_intent = self.page_marginal(self._with_intent(attraction), mask)
        return (by_intent @ self.log_weights.exp()) * mask

    def counts(self, attraction: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """P(any click) and P(two clicks or more), each [K, E]."""
        none, one = self.page_counts(self._with_intent(attraction), mask) @ self.log_weights.exp()
        return 1 - none, (1 - none - one).clamp(min=0)

    def _with_intent(self, attraction: Tensor) -> Tensor:
        """[K, E, N] -> [K, E, N, Q]."""
        spread = nn.functional.softplus(self.spread).view(-1, 1, 1, 1)
        return attraction.unsqueeze(-1) + spread * self.nodes


def logit(probability: float) -> float:
    """log(p / (1 - p)), for p away from 0 and 1."""
    bounded = min(max(probability, 1e-3), 1 - 1e-3)
    return math.log(bounded / (1 - bounded))
