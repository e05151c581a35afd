"""Which log a run learns from, so that another one is not taken for it."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from gerank.data.exposure_log import ExposureLog

_NUMBERS_AT_ONCE = 1 << 22


@dataclass(frozen=True)
class LogIdentity:
    """A log, as run.json knows it.

    Attributes:
        pages: How many it has.
        people: How many they are of.
        digest: Covers all that a run learns from: features, slates, feedback, people, order and
            what stood above.
    """

    pages: int
    people: int
    digest: str

    @classmethod
    def of(cls, log: ExposureLog) -> LogIdentity:
        """Reads every number of the log once."""
        people, of_page = np.unique(log.person_ids, return_inverse=True)
        digest = hashlib.blake2b(digest_size=16)
        digest.update("\0".join(map(str, people)).encode())
        columns = [
            *(log.user[feature.name] for feature in log.schema.user),
            *(log.candidate[feature.name] for feature in log.schema.candidate),
            *(of_page, log.timestamps, log.candidate_offsets, log.slate_offsets),
            *(log.slates, log.clicks, log.log_propensity, log.placement_propensity),
        ]
        if log.above is not None:
            columns += [log.above.offsets, log.above.dedup_keys]
            columns += [log.above.features[feature.name] for feature in log.schema.above]
        for column in columns:
            for first in range(0, len(column), _NUMBERS_AT_ONCE):
                some = column[first : first + _NUMBERS_AT_ONCE]
                digest.update(np.ascontiguousarray(some).data)
                log.store.release_memory()
        return cls(len(log), len(people), digest.hexdigest())

    @property
    def size(self) -> str:
        """Its size, in words."""
        return f"{self.pages} pages of {self.people} people"

    def to_json(self) -> dict[str, Any]:
        """The document that run.json holds."""
        return asdict(self)
