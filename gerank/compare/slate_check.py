"""Whether slates are slates of the pages they were asked for: a comparator may be anybody's."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog


class WrongSlatesError(ValueError):
    """Slates that are none of their pages; the message names page, slot and value."""


def checked_slates(
    slates: Tensor, log: ExposureLog, rows: NDArray[np.int64], slots: int
) -> NDArray[np.int64]:
    """The slates [len(rows), N] of some pages of a log, once they are found to be such.

    Raises:
        WrongSlatesError: The shape or the numbers are others, a candidate is there twice or is none
            of the page, or a slot behind an empty one is filled.
    """
    wanted = (len(rows), slots)
    shape = tuple(slates.shape) if isinstance(slates, Tensor) else type(slates).__name__
    if shape != wanted or slates.dtype != torch.int64:
        got = f"{shape} {slates.dtype}" if isinstance(slates, Tensor) else shape
        raise WrongSlatesError(f"slates: must be a tensor {wanted} of int64, got {got}")
    found: NDArray[np.int64] = slates.cpu().numpy()
    candidates = np.diff(log.candidate_offsets)[rows][:, None]
    empty = found == -1
    outside = ~empty & ((found < 0) | (found >= candidates))
    own = np.where(empty, -1 - np.arange(slots), found)  # empty slots are no repeats
    order = own.argsort(1, kind="stable")
    ascending = np.take_along_axis(own, order, 1)
    repeated = np.zeros_like(empty)
    again = np.pad(ascending[:, 1:] == ascending[:, :-1], ((0, 0), (1, 0)))
    np.put_along_axis(repeated, order, again, 1)
    behind = ~empty & np.pad(empty[:, :-1], ((0, 0), (1, 0))).cumsum(1).astype(bool)
    for wrong, why in (
        (outside, "not the index of a candidate"),
        (repeated, "which stands above it"),
        (behind, "behind an empty slot"),
    ):
        if wrong.any():
            page, slot = np.argwhere(wrong)[0]
            raise WrongSlatesError(
                f"slates: page {str(log.page_ids[rows[page]])!r}, slot {slot} is "
                f"{found[page, slot]}, {why}"
            )
    return found
