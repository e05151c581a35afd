"""Pages whose order carries no signal, as an exposure log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import FeatureSchema
from gerank.data.texts import text_column_of


@dataclass(frozen=True)
class RandomPage:
    """One page, all of whose candidates were shown, in the order of a fair shuffle.

    Attributes:
        name: Unique.
        person: Whose page it is.
        items: Names of its M candidates.
        order: [M] the candidate in each slot.
        clicks: [M] 1 where the slot was clicked.
        user: Feature name -> value.
        candidate: Feature name -> [M].
    """

    name: str
    person: str
    items: Sequence[str]
    order: NDArray[np.int64]
    clicks: NDArray[np.float64]
    user: Mapping[str, float]
    candidate: Mapping[str, NDArray[Any]]


def looks(size: int) -> NDArray[np.float64]:
    """[M] how likely the reader of a shuffled page looks at each slot: the discount of DCG."""
    return 1 / np.log2(np.arange(size) + 2)


def random_log(schema: FeatureSchema, pages: Sequence[RandomPage]) -> ExposureLog:
    """Pages in the order of time. Slot n of M has the log-propensity -log(M - n)."""
    sizes = np.array([len(page.items) for page in pages])
    offsets = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    left = np.concatenate([np.arange(size, 0, -1) for size in sizes])

    def typed(values: NDArray[Any], name: str) -> NDArray[Any]:
        ids = {feature.name for feature in (*schema.user_ids, *schema.candidate_ids)}
        return values.astype(np.int64 if name in ids else np.float32)

    log = ExposureLog(
        schema=schema,
        page_ids=text_column_of(page.name for page in pages),
        person_ids=text_column_of(page.person for page in pages),
        timestamps=np.arange(len(pages), dtype=np.int64),
        candidate_offsets=offsets,
        slate_offsets=offsets,
        user={
            feature.name: typed(np.array([page.user[feature.name] for page in pages]), feature.name)
            for feature in schema.user
        },
        candidate={
            feature.name: typed(
                np.concatenate([page.candidate[feature.name] for page in pages]), feature.name
            )
            for feature in schema.candidate
        },
        candidate_names=text_column_of(str(item) for page in pages for item in page.items),
        slates=np.concatenate([page.order for page in pages]).astype(np.int64),
        clicks=np.concatenate([page.clicks for page in pages]).astype(np.float32),
        log_propensity=-np.log(left).astype(np.float32),
        placement_propensity=np.repeat(1 / sizes, sizes).astype(np.float32),
    )
    return log.with_ranges()
