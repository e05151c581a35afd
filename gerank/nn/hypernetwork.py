"""Control at request time: preference weights generate the weight-sensitive parameters."""

from torch import Tensor, nn

from gerank.nn.layers import mlp


class PolicyHypernetwork(nn.Module):
    """h(w): what a request's weights add to the attention parameters and to the set vector.

    Source: Chen et al., "Controllable Multi-Objective Re-ranking with Policy Hypernetworks", KDD
    2023. Theirs is affine in w; with weights that sum to one that is a line between two models, so
    h is a non-linear MLP here. The last layer starts at zero: training begins from the shared
    parameters.
    """

    def __init__(self, utilities: int, rows: int, attention_width: int, set_width: int) -> None:
        super().__init__()
        self.rows = rows
        self.attention_width = attention_width
        self.hidden = mlp(utilities, 64, 64)
        self.attention_head = nn.Linear(64, rows * attention_width)
        self.set_head = nn.Linear(64, set_width)
        for head in (self.attention_head, self.set_head):
            nn.init.zeros_(head.weight)
            nn.init.zeros_(head.bias)

    def forward(self, weights: Tensor) -> tuple[Tensor, Tensor]:
        """[B, U] weights -> additions: attention [B, C+3, H], set vector [B, D]."""
        hidden = self.hidden(weights).relu()
        attention = self.attention_head(hidden).view(-1, self.rows, self.attention_width)
        return attention, self.set_head(hidden)
