"""The columns of an exposure log on disk: their names, their types and which may be left out.

They are stated here once; `docs/exposure_log.md` says what they mean.
"""

from __future__ import annotations

import pyarrow as pa

from gerank.data.schema import Feature, FeatureKind, FeatureSchema

PAGE_ID = "page_id"
PERSON_ID = "person_id"
TIMESTAMP = "timestamp"
CANDIDATE_ID = "candidate.id"
SLATE = "slate"
CLICK = "feedback.click"
LOG_PROPENSITY = "log_propensity"
PLACEMENT_PROPENSITY = "placement_propensity"

USER_PREFIX = "user."
CANDIDATE_PREFIX = "candidate."
FEEDBACK_PREFIX = "feedback."
ABOVE_PREFIX = "above."
ABOVE_KEY = "above.dedup_key"

OPTIONAL = (LOG_PROPENSITY, PLACEMENT_PROPENSITY)
"""Columns that a file may lack: all their values are then unknown (NaN)."""

MOST_SLOTS = 128
"""Slots of a decode, at most: those of a page and those above it."""
MOST_ABOVE = MOST_SLOTS - 1
"""Slots above a page, at most: one is the page's."""

FORMAT_VERSION = 1
"""The version of the file, raised whenever an older reader would misunderstand a newer file."""

METADATA_KEY = b"gerank.exposure_log"
PAGES_PER_ROW_GROUP = 16_384
FEEDBACK_TYPE = pa.list_(pa.float32())
"""The type of every column `feedback.<kind>`: a number per slot, NaN where it is unknown."""


def column_types(schema: FeatureSchema) -> dict[str, pa.DataType]:
    """Every column that a reader knows of a log with this schema, in the order of the file."""
    types: dict[str, pa.DataType] = {
        PAGE_ID: pa.string(),
        PERSON_ID: pa.string(),
        TIMESTAMP: pa.int64(),
    }
    types |= {f"{USER_PREFIX}{f.name}": value_type(f) for f in schema.user}
    types[CANDIDATE_ID] = pa.list_(pa.string())
    types |= {f"{CANDIDATE_PREFIX}{f.name}": pa.list_(value_type(f)) for f in schema.candidate}
    types[SLATE] = pa.list_(pa.int32())
    types[CLICK] = FEEDBACK_TYPE
    types |= {f"{FEEDBACK_PREFIX}{kind.name}": FEEDBACK_TYPE for kind in schema.feedback}
    types |= {name: pa.list_(pa.float32()) for name in OPTIONAL}
    types[ABOVE_KEY] = pa.list_(pa.int32())
    return types | {f"{ABOVE_PREFIX}{f.name}": pa.list_(value_type(f)) for f in schema.above}


def value_type(feature: Feature) -> pa.DataType:
    """The type of one value of a feature."""
    return pa.float32() if feature.kind is FeatureKind.DENSE else pa.int64()


def may_be_missing(name: str) -> bool:
    """Whether a file may lack a column; of those of the slots above it has all or none."""
    return name in OPTIONAL or name.startswith(ABOVE_PREFIX)


def is_further_feedback(name: str, kind: pa.DataType) -> bool:
    """Whether a column holds feedback beyond clicks."""
    further = name.startswith(FEEDBACK_PREFIX) and name != CLICK
    return further and bool(kind == FEEDBACK_TYPE)
