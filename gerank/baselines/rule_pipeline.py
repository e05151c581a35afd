"""The rule pipeline: a sort by relevance, then passes for spacing and quotas; what teams run.

It has no paper. Relevance is the upstream score or a click model; a spacing pass allows no group
twice in a window, or takes a penalty for each time that a group stands in it; a quota pass gives
the last slots to items with flags that are owed some. Passes apply to every group key and flag of
the schema. Absolute spacing is a mask of the decoding, as a request's own rules are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from gerank.baselines.comparator import Pages, UnfitPagesError
from gerank.baselines.relevance import Relevance, lacking_for_relevance
from gerank.baselines.slotwise import SlotScores, SlotwiseComparator
from gerank.data.batch import RerankBatch
from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.train.pages import as_requests

_FIRST = 1e3
"""Above any relevance: who serves a flag that is owed an item comes before who does not."""


class RulePipeline(SlotwiseComparator):
    """Relevance, less a penalty for repeated groups, under spacing rules and quotas.

    Settings:
        relevance: See `gerank.baselines.relevance`.
        window: Consecutive slots in which groups are looked for; 0 = no spacing pass.
        penalty: Taken from the relevance (0..1 within a page) per time that a group stands in the
            window, and divided among the group keys; 0 = no group twice in a window, absolutely.
        reserved: Share of the slots for items with each flag, as far as a page has them; 0 = no
            quota pass.
    """

    name = "rule_pipeline"
    paper = "what teams run"
    not_served = "its relevance and passes are computed by NumPy and scikit-learn"
    draws = False
    grid = MappingProxyType(
        {
            "relevance": ("logistic_regression", "upstream_score"),
            "window": (0, 2, 3, 5),
            "penalty": (0.0, 0.1, 0.3),
            "reserved": (0.0, 0.1),
        }
    )

    @classmethod
    def lacks(cls, setting: str, value: object, schema: FeatureSchema, score: str | None) -> str:
        """See `Comparator`."""
        if setting == "relevance":
            return lacking_for_relevance(value, schema, score)
        groups, flags = ("group keys", schema.groups), ("flags", schema.flags)
        needed = {"window": groups, "penalty": groups, "reserved": flags}
        if not value or setting not in needed:
            return ""
        kind, named = needed[setting]
        return "" if named else f"{setting} is {value}, but candidates have no {kind}"

    @classmethod
    def conflict(cls, settings: Mapping[str, Any]) -> str:
        """See `Comparator`."""
        if not settings["penalty"] or settings["window"]:
            return ""
        return f"penalty is {settings['penalty']}, but window is 0: there are no slots to look at"

    def fit(self, pages: Pages) -> None:
        """Raises UnfitPagesError for a pass that the schema has no group or flag for."""
        unfit = self.conflict(self.settings)
        for setting, value in self.settings.items():
            unfit = unfit or self.lacks(setting, value, pages.log.schema, pages.score)
        if unfit:
            raise UnfitPagesError(unfit)
        self._relevance, self._slots = Relevance(self.settings["relevance"], pages), pages.slots

    def requests(self, log: ExposureLog, rows: NDArray[np.int64], slots: int) -> RerankBatch:
        """The pages with an absolute spacing pass as their rule."""
        window = self.settings["window"]
        is_absolute = window and not self.settings["penalty"]
        spacing = torch.tensor([window, 1] if is_absolute else [0, 0])
        return as_requests(
            log.batch(rows, slots),
            torch.zeros(len(rows), 0),
            log.schema,
            slots=slots,
            spacing=spacing.expand(len(rows), len(log.schema.groups), 2),
        )

    def scores(self, log: ExposureLog, rows: NDArray[np.int64]) -> SlotScores:
        """See `SlotwiseComparator`."""
        relevance, batch = self._relevance(log, rows), log.batch(rows)
        groups = batch.candidate_ids[..., list(log.schema.group_columns)].numpy()
        flags = batch.candidate_ids[..., list(log.schema.flag_columns)].numpy() > 0
        flags &= batch.candidate_mask.numpy()[..., None]
        reach, penalty = max(0, self.settings["window"] - 1), self.settings["penalty"]
        reserved, slots = self.settings["reserved"], self._slots

        def passed(chosen: NDArray[np.int64]) -> NDArray[np.float64]:
            scores = relevance
            if penalty:
                recent = chosen[:, max(0, chosen.shape[1] - reach) :]
                scores = scores - penalty * repeats(groups, recent)
            if reserved:
                least = math.ceil(reserved * slots)
                scores = scores + _FIRST * serves_owed(flags, chosen, least, slots)
            return scores

        return passed


def repeats(groups: NDArray[np.int64], recent: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often every candidate's groups stand in some slots, as a share of the group keys.

    Args:
        groups: [B, M, K]. Of the candidates.
        recent: [B, n]. What stands in the slots; -1 = nothing.

    Returns:
        [B, M]. 0..n.
    """
    placed = np.take_along_axis(groups, np.maximum(recent, 0)[:, :, None], axis=1)
    same = (groups[:, :, None] == placed[:, None]) & (recent >= 0)[:, None, :, None]
    share: NDArray[np.float64] = same.mean(axis=3, dtype=np.float64).sum(axis=2)
    return share


def serves_owed(
    flags: NDArray[np.bool_], chosen: NDArray[np.int64], least: int, slots: int
) -> NDArray[np.float64]:
    """How many flags that are owed items a candidate has, on pages that can wait no longer.

    Args:
        flags: [B, M, Q]. Of the candidates.
        chosen: [B, n]. What stands on the page so far; -1 = nothing.
        least: Items that every flag is to have, as far as the page has them.
        slots: N.

    Returns:
        [B, M]. 0 while there are more slots left than items owed.
    """
    taken = np.take_along_axis(flags, np.maximum(chosen, 0)[:, :, None], axis=1)
    delivered = (taken & (chosen >= 0)[:, :, None]).sum(axis=1)  # [B, Q]
    owed = np.minimum(least, flags.sum(axis=1)) - delivered
    left = slots - (chosen >= 0).sum(axis=1)
    pressing = np.maximum(owed, 0).sum(axis=1) >= left  # [B]
    served = (flags & (owed > 0)[:, None]).sum(axis=2) * pressing[:, None]
    serving: NDArray[np.float64] = served.astype(np.float64)
    return serving
