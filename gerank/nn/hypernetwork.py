"""Control at request time: preference weights generate the weight-sensitive parameters."""

import torch
from torch import Tensor, nn

from gerank.nn.control_terms import ControlTerms
from gerank.nn.layers import mlp, zero_linear

_HIDDEN = 64


class PolicyHypernetwork(nn.Module):
    """h(w) = A w + B mlp(w) / 64: additions to the attention parameters and to the set vector.

    Source: Chen et al., "Controllable Multi-Objective Re-ranking with Policy Hypernetworks", KDD
    2023. Theirs is affine in w (`LinearHypernetwork`); with weights that sum to one that is a line
    between two models, so a non-linear MLP stands beside it here. The heads start at zero:
    training begins from the shared parameters. Without the 1/64 a step of Adam, which moves all 64
    columns of B alike, would move the parameters 64 times as far as one of A, and the policy's
    gradient is too noisy for that.
    """

    def __init__(self, utilities: int, rows: int, attention_width: int, set_width: int) -> None:
        super().__init__()
        self.rows = rows
        self.attention_width = attention_width
        self.hidden = mlp(utilities, _HIDDEN, _HIDDEN)
        self.attention_head = zero_linear(_HIDDEN + utilities, rows * attention_width)
        self.set_head = zero_linear(_HIDDEN + utilities, set_width)

    def forward(self, weights: Tensor) -> ControlTerms:
        """[B, U] weights, scaled to -1..1 over their ranges -> additions per request."""
        hidden = self.hidden(weights).relu()
        features = torch.cat([weights, hidden / hidden.size(1)], dim=-1)
        attention = self.attention_head(features).view(-1, self.rows, self.attention_width)
        none = weights[:, :0]
        return ControlTerms(attention, self.set_head(features), none)
