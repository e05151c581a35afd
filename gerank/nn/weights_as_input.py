"""Preference weights as plain features of the user: for comparison."""

from torch import Tensor, nn

from gerank.nn.control_terms import ControlTerms


class WeightsAsInput(nn.Module):
    """x_u gets U more columns; the decoder's parameters stay shared."""

    def __init__(self, utilities: int) -> None:
        super().__init__()
        self.utilities = utilities

    def forward(self, weights: Tensor) -> ControlTerms:
        """[B, U] weights, scaled to -1..1 over their ranges -> columns of x_u."""
        return ControlTerms(weights.new_zeros(1, 1, 1), weights.new_zeros(1, 1), weights)
