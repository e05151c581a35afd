"""How preference weights reach a policy at request time: three ways behind one interface.

The source is Chen et al., "Controllable Multi-Objective Re-ranking with Policy Hypernetworks", KDD
2023: weights generate the weight-sensitive parameters.
"""

from enum import StrEnum
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gerank.nn.layers import mlp, zero_linear

_HIDDEN = 64


class Control(StrEnum):
    """The ways. Each module maps weights [B, U] to `ControlTerms`."""

    HYPERNETWORK = "hypernetwork"
    LINEAR = "linear"
    INPUT = "input"


class ControlTerms(NamedTuple):
    """What a control adds to a generator; a leading 1 in place of B is the same for all requests.

    Attributes:
        attention: [B or 1, C + 3, H]. To the decoder's attention parameters.
        set_vector: [B or 1, D]. To e_c.
        user: [B, X]. More columns of x_u, X >= 0.
    """

    attention: Tensor
    set_vector: Tensor
    user: Tensor


class PolicyHypernetwork(nn.Module):
    """h(w) = A w + B mlp(w) / 64: additions to the attention parameters and to the set vector.

    The source's is affine in w (`LinearHypernetwork`); with weights that sum to one that is a line
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


class LinearHypernetwork(nn.Module):
    """theta_w = theta + A w for the same parameters as `PolicyHypernetwork`: for comparison.

    It is the source's parameter generator, one linear layer. A starts at zero.
    """

    def __init__(self, utilities: int, rows: int, attention_width: int, set_width: int) -> None:
        super().__init__()
        self.rows = rows
        self.attention_width = attention_width
        self.attention_head = zero_linear(utilities, rows * attention_width)
        self.set_head = zero_linear(utilities, set_width)

    def forward(self, weights: Tensor) -> ControlTerms:
        """[B, U] weights, scaled to -1..1 over their ranges -> additions per request."""
        attention = self.attention_head(weights).view(-1, self.rows, self.attention_width)
        none = weights[:, :0]
        return ControlTerms(attention, self.set_head(weights), none)


class WeightsAsInput(nn.Module):
    """x_u gets U more columns; the decoder's parameters stay shared: for comparison."""

    def __init__(self, utilities: int) -> None:
        super().__init__()
        self.utilities = utilities

    def forward(self, weights: Tensor) -> ControlTerms:
        """[B, U] weights, scaled to -1..1 over their ranges -> columns of x_u."""
        return ControlTerms(weights.new_zeros(1, 1, 1), weights.new_zeros(1, 1), weights)


def new_control(
    control: Control, utilities: int, rows: int, attention_width: int, set_width: int
) -> nn.Module:
    """A fresh module that makes a policy depend on weights.

    Args:
        control: Which.
        utilities: U.
        rows: C + 3, of the decoder's attention parameters.
        attention_width: H.
        set_width: D.
    """
    if control is Control.INPUT:
        return WeightsAsInput(utilities)
    kinds = {Control.HYPERNETWORK: PolicyHypernetwork, Control.LINEAR: LinearHypernetwork}
    return kinds[control](utilities, rows, attention_width, set_width)


def extra_user_width(control: Control, utilities: int) -> int:
    """How many columns the control adds to the user's vector."""
    return utilities if control is Control.INPUT else 0
