"""Whether slates are slates of their pages: files and comparators may be anybody's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gerank.data.exposure_log import ExposureLog


class WrongSlatesError(ValueError):
    """Slates that are none of their pages; the message names page, slot and value."""


def wrong_slot(order: Sequence[object], candidates: int) -> tuple[int, str] | None:
    """The first slot of an order that names no candidate, or one twice, and what is wrong there."""
    seen = set()
    for slot, place in enumerate(order):
        if type(place) is not int or not 0 <= place < candidates:
            return slot, f"is {place!r}, not the index of a candidate, 0..{candidates - 1}"
        if place in seen:
            return slot, f"is {place}, which stands above it"
        seen.add(place)
    return None


def checked_slates(
    slates: Tensor, log: ExposureLog, rows: NDArray[np.int64], slots: int
) -> NDArray[np.int64]:
    """The slates [len(rows), N] of some pages of a log, once they are found to be such.

    Raises:
        WrongSlatesError: The shape or the numbers are others, a candidate is there twice or is none
            of the page, or a slot is empty above a filled one.
    """
    wanted = (len(rows), slots)
    shape = tuple(slates.shape) if isinstance(slates, Tensor) else type(slates).__name__
    if shape != wanted or slates.dtype != torch.int64:
        got = f"{shape} {slates.dtype}" if isinstance(slates, Tensor) else shape
        raise WrongSlatesError(f"slates: must be a tensor {wanted} of int64, got {got}")
    found: NDArray[np.int64] = slates.cpu().numpy()
    filled = slots - np.argmax(found[:, ::-1] != -1, axis=1)
    filled[(found == -1).all(1)] = 0
    candidates = np.diff(log.candidate_offsets)
    for row, slate, count in zip(rows.tolist(), found.tolist(), filled.tolist(), strict=True):
        if wrong := wrong_slot(slate[:count], int(candidates[row])):
            slot, what = wrong
            page = str(log.page_ids[row])
            raise WrongSlatesError(f"slates: page {page!r}, slot {slot} {what}")
    return found
