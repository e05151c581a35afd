"""Users whose clicks do not depend on each other once the page is given."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np
import torch
from torch import Tensor

from gerank.data.simulator.users.page import ShownPages


class IndependentClicks(ABC):
    """Answers the rest of `User` from the click probabilities alone."""

    @abstractmethod
    def click_probability(self, page: ShownPages) -> Tensor:
        """See `User`."""

    def any_click(self, page: ShownPages) -> Tensor:
        """See `User`: 1 - prod_n (1 - P(click at n))."""
        return 1 - (1 - self.click_probability(page)).prod(dim=-1)

    def sample_clicks(self, generator: np.random.Generator, page: ShownPages) -> Tensor:
        """See `User`."""
        probability = self.click_probability(page).numpy()
        return torch.from_numpy(generator.random(probability.shape) < probability)
