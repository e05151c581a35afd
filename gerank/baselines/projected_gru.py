"""A GRU whose inputs are projected once, since a decoder tries every candidate at every slot."""

import torch
from torch import Tensor, nn


class ProjectedGru(nn.Module):
    """`torch.nn.GRUCell` in two parts: what an input gives to the gates, and the step."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.from_input = nn.Linear(inputs, 3 * width)
        self.from_state = nn.Linear(width, 3 * width)

    def forward(self, projected: Tensor, state: Tensor) -> Tensor:
        """The next state [..., D] of a projected input [..., 3D] and a state [..., D]."""
        reset_in, update_in, new_in = projected.chunk(3, dim=-1)
        reset_h, update_h, new_h = self.from_state(state).chunk(3, dim=-1)
        reset = torch.sigmoid(reset_in + reset_h)
        update = torch.sigmoid(update_in + update_h)
        new = torch.tanh(new_in + reset * new_h)
        return (1 - update) * new + update * state
