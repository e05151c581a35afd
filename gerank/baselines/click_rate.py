"""The sort by click rate: the strongest ranker that knows no person.

Slots are clicked unequally, so an item's clicks are divided by those that its slots led one to
expect (COEC). Zhang and Jones, "Comparing click logs and editorial labels for training query
rewriting", WWW 2007 workshop on query log analysis. The paper leaves open what a rarely shown item
is worth: here every item begins with some clicks that were expected and came, so that an unseen one
has the rate of the whole log.
"""

from __future__ import annotations

from collections import defaultdict
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from gerank.baselines.comparator import Pages
from gerank.baselines.slotwise import SlotScores, SlotwiseComparator, fixed
from gerank.data.exposure_log import ExposureLog


class ClickRate(SlotwiseComparator):
    """Sorts by clicks over expected clicks of each item in the training pages.

    Settings:
        prior: Expected clicks, all of which came, that every item begins with.
    """

    name = "click_rate"
    paper = "Zhang and Jones, WWW 2007 workshop"
    not_served = "it knows items by their names, which are no features of a request"
    draws = False
    grid = MappingProxyType({"prior": (2.0, 0.5, 10.0)})

    def fit(self, pages: Pages) -> None:
        """Counts clicks and expected clicks of every item."""
        shown = pages.log.shown(pages.train)
        slates, clicks = shown.slates.numpy(), shown.clicks.numpy()
        filled = slates >= 0
        slot_rate = (clicks * filled).sum(0) / filled.sum(0).clip(min=1)
        expected = np.broadcast_to(slot_rate, slates.shape)[filled]
        places = (pages.log.candidate_offsets[pages.train][:, None] + slates)[filled]
        prior = self.settings["prior"]
        counts: dict[str, list[float]] = defaultdict(lambda: [prior, prior])
        names = pages.log.candidate_names[places]
        for item, came, due in zip(names, clicks[filled].tolist(), expected.tolist(), strict=True):
            counts[item][0] += came
            counts[item][1] += due
        self._rates = {item: came / due for item, (came, due) in counts.items()}

    def scores(self, log: ExposureLog, rows: NDArray[np.int64]) -> SlotScores:
        """See `SlotwiseComparator`."""
        lengths = np.diff(log.candidate_offsets)[rows]
        rates = np.zeros((len(rows), int(lengths.max())))
        for place, page in enumerate(rows.tolist()):
            names = log.candidate_names[slice(*log.candidate_offsets[page : page + 2].tolist())]
            rates[place, : len(names)] = [self._rates.get(name, 1.0) for name in names]
        return fixed(rates)
