"""Pages that were really shown: candidates, slate, feedback, and the propensity of every choice.

All pages lie in flat numpy columns; a page's candidates and slots are the ranges that
`candidate_offsets` and `slate_offsets` tell.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.column_store import ColumnStore
from gerank.data.schema import FeatureSchema
from gerank.data.texts import TextColumn


@dataclass(frozen=True)
class LoggedAbove:
    """What stood directly above E logged pages in endless feeds, flat: sum A slots, downwards.

    Attributes:
        offsets: [E + 1] int64. Page i has the slots [offsets[i], offsets[i + 1]); none where
            nothing stood above it.
        dedup_keys: [sum A] int64. Place of the same item among its page's candidates; -1 = it is
            none of them.
        features: Group key or flag -> [sum A] int64: every one of the schema.
    """

    offsets: NDArray[np.int64]
    dedup_keys: NDArray[np.int64]
    features: Mapping[str, NDArray[np.int64]]


@dataclass(frozen=True)
class ExposureFields:
    """The columns of E logged pages, flat: sum M candidates and sum N shown slots.

    Attributes:
        schema: What the columns of `user` and `candidate` are.
        page_ids: [E] object, each a str. Unique.
        person_ids: [E] object, each a str. Splits and intervals go by person.
        timestamps: [E] int64. Their order only has a meaning.
        candidate_offsets: [E + 1] int64. Page i has the candidates [offsets[i], offsets[i + 1]).
        slate_offsets: [E + 1] int64. The same for slots.
        user: Feature name -> [E], float32 (dense) or int64 (id).
        candidate: Feature name -> [sum M], float32 (dense) or int64 (id).
        candidate_names: [sum M] object, each a str. Item ids as people know them.
        slates: [sum N] int64. Index of the shown candidate among its page's candidates.
        clicks: [sum N] float32. 1 where the slot was clicked.
        log_propensity: [sum N] float32. log P(choice | choices before it), behavior policy;
            NaN = unknown.
        placement_propensity: [sum N] float32. P(this candidate at this slot); NaN = unknown.
        feedback: Name of a kind of `schema.feedback` -> [sum N] float32; NaN = unknown.
        above: What stood above the pages; None = the log tells of no page that follows another.
        store: Where the columns lie: in memory, or in files where the log is large.
    """

    schema: FeatureSchema
    page_ids: TextColumn
    person_ids: NDArray[Any]
    timestamps: NDArray[np.int64]
    candidate_offsets: NDArray[np.int64]
    slate_offsets: NDArray[np.int64]
    user: Mapping[str, NDArray[Any]]
    candidate: Mapping[str, NDArray[Any]]
    candidate_names: TextColumn
    slates: NDArray[np.int64]
    clicks: NDArray[np.float32]
    log_propensity: NDArray[np.float32]
    placement_propensity: NDArray[np.float32]
    feedback: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    above: LoggedAbove | None = None
    store: ColumnStore = field(default_factory=ColumnStore, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.page_ids)

    @property
    def most_above(self) -> int:
        """Slots above the page that has most of them."""
        return 0 if self.above is None else int(np.diff(self.above.offsets).max(initial=0))
