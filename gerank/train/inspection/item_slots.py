"""Items of a log, told apart by the hashes of their names: nobody holds all names at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.texts import TextColumn


@dataclass(frozen=True)
class ItemSlots:
    """Where I items were shown.

    Attributes:
        keys: [I] int64. Hashes of their names.
        times: [I] int64. How often each was shown.
        lowest, highest: [I] int64. The first and the last slot at which it was, from 0.
    """

    keys: NDArray[np.int64]
    times: NDArray[np.int64]
    lowest: NDArray[np.int64]
    highest: NDArray[np.int64]

    @classmethod
    def of_log(cls, log: ExposureLog) -> ItemSlots:
        """The shown items of a log, which is read in parts."""
        found = cls(*(np.empty(0, np.int64) for _ in range(4)))
        for part in log.windows():
            page = np.repeat(np.arange(len(part)), np.diff(part.slate_offsets))
            shown = part.candidate_offsets[:-1][page] + part.slates
            slot = np.arange(len(shown)) - part.slate_offsets[:-1][page]
            keys = name_hashes(part.candidate_names[shown])
            found = found._and(cls(keys, np.ones_like(keys), slot, slot))
        return found

    def _and(self, other: ItemSlots) -> ItemSlots:
        both = [
            np.concatenate(p) for p in zip(vars(self).values(), vars(other).values(), strict=True)
        ]
        keys, place = np.unique(both[0], return_inverse=True)
        times, highest = np.zeros(len(keys), np.int64), np.zeros(len(keys), np.int64)
        lowest = np.full(len(keys), np.iinfo(np.int64).max)
        np.add.at(times, place, both[1])
        np.minimum.at(lowest, place, both[2])
        np.maximum.at(highest, place, both[3])
        return ItemSlots(keys, times, lowest, highest)


def name_hashes(names: TextColumn) -> NDArray[np.int64]:
    """[E] 64 bits of every name: among ten million names two are alike once in 400,000 logs."""
    return np.fromiter(map(hash, names), np.int64, len(names))
