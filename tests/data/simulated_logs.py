"""What tests read off a simulated log, whose pages all have the same sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog


def table(log: ExposureLog, name: str) -> NDArray[Any]:
    """[E, M] of a candidate feature."""
    return log.candidate[name].reshape(len(log), -1)


def shown(log: ExposureLog) -> NDArray[np.int64]:
    return log.slates.reshape(len(log), -1)


def all_rows(log: ExposureLog) -> Tensor:
    return torch.arange(len(log))


def random_slates(seed: int, shape: tuple[int, int], candidates: int) -> Tensor:
    """[B, N] without repeats; a slot in seven is empty."""
    generator = torch.Generator().manual_seed(seed)
    order = torch.rand(shape[0], candidates, generator=generator).argsort(1)[:, : shape[1]]
    return order.masked_fill(torch.rand(shape, generator=generator) < 1 / 7, -1)
