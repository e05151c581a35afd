"""Pages whose users and candidates have ids of large vocabularies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind

LARGE = 1 << 17
"""Rows of a table with sparse gradients."""


def with_large_ids(log: ExposureLog, seed: int) -> ExposureLog:
    """The same pages with an id of users and one of candidates that have large vocabularies."""
    draw = np.random.default_rng(seed)
    item = Feature("item", FeatureKind.ID, LARGE, hashed=True)
    visitor = Feature("visitor", FeatureKind.ID, LARGE, hashed=True)
    items = draw.integers(0, 40, len(log.candidate_names))
    schema = replace(
        log.schema,
        user=(*log.schema.user, visitor),
        candidate=(*log.schema.candidate, item),
    )
    return replace(
        log,
        schema=schema,
        user={**log.user, "visitor": draw.integers(0, 12, len(log))},
        candidate={**log.candidate, "item": items},
    )
