"""The paper's generator of parameters, affine in the weights: for comparison."""

from torch import Tensor, nn

from gerank.nn.control_terms import ControlTerms
from gerank.nn.layers import zero_linear


class LinearHypernetwork(nn.Module):
    """theta_w = theta + A w for the same parameters as `PolicyHypernetwork`.

    Source: Chen et al., "Controllable Multi-Objective Re-ranking with Policy Hypernetworks", KDD
    2023, whose parameter generator is one linear layer. A starts at zero.
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
