"""The columns of a log's files, as `ExposureFields`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.exposure_checks import check_lengths
from gerank.data.exposure_fields import ExposureFields, LoggedAbove
from gerank.data.exposure_parquet import Column
from gerank.data.log_columns import (
    ABOVE_KEY,
    ABOVE_PREFIX,
    CANDIDATE_ID,
    CANDIDATE_PREFIX,
    CLICK,
    FEEDBACK_PREFIX,
    LOG_PROPENSITY,
    PAGE_ID,
    PERSON_ID,
    PLACEMENT_PROPENSITY,
    SLATE,
    TIMESTAMP,
    USER_PREFIX,
)
from gerank.data.schema import FeatureSchema
from gerank.data.texts import TextColumn


def fields_of(schema: FeatureSchema, columns: Mapping[str, Column]) -> dict[str, Any]:
    """Name of each of `ExposureFields` -> its value.

    Raises:
        ExposureLogError: The lists of two columns of a page are not of one length; no file.
    """
    pages = columns[PAGE_ID].values
    items = _shared_offsets(columns, CANDIDATE_PREFIX, CANDIDATE_ID, pages)
    of_slots = (FEEDBACK_PREFIX, LOG_PROPENSITY, PLACEMENT_PROPENSITY)
    slots = _shared_offsets(columns, of_slots, SLATE, pages)
    values = {name: column.values for name, column in columns.items()}
    return {
        "schema": schema,
        "page_ids": pages,
        "person_ids": values[PERSON_ID],
        "timestamps": values[TIMESTAMP],
        "candidate_offsets": items,
        "slate_offsets": slots,
        "user": {f.name: values[f"{USER_PREFIX}{f.name}"] for f in schema.user},
        "candidate": {f.name: values[f"{CANDIDATE_PREFIX}{f.name}"] for f in schema.candidate},
        "candidate_names": values[CANDIDATE_ID],
        "slates": values[SLATE],
        "clicks": values[CLICK],
        "log_propensity": values[LOG_PROPENSITY],
        "placement_propensity": values[PLACEMENT_PROPENSITY],
        "feedback": {k.name: values[f"{FEEDBACK_PREFIX}{k.name}"] for k in schema.feedback},
        "above": _above_of(schema, columns, pages) if ABOVE_KEY in columns else None,
    }


def columns_of(log: ExposureFields) -> dict[str, Column]:
    """Name of each column of a log's file -> its values."""
    items, slots = log.candidate_offsets, log.slate_offsets
    columns = {
        PAGE_ID: Column(log.page_ids),
        PERSON_ID: Column(log.person_ids),
        TIMESTAMP: Column(log.timestamps),
        CANDIDATE_ID: Column(log.candidate_names, items),
        SLATE: Column(log.slates, slots),
        CLICK: Column(log.clicks, slots),
        LOG_PROPENSITY: Column(log.log_propensity, slots),
        PLACEMENT_PROPENSITY: Column(log.placement_propensity, slots),
    }
    columns |= {f"{FEEDBACK_PREFIX}{k}": Column(v, slots) for k, v in log.feedback.items()}
    columns |= {f"{USER_PREFIX}{name}": Column(values) for name, values in log.user.items()}
    columns |= {
        f"{CANDIDATE_PREFIX}{name}": Column(values, items) for name, values in log.candidate.items()
    }
    if log.above is not None:
        offsets = log.above.offsets
        columns[ABOVE_KEY] = Column(log.above.dedup_keys, offsets)
        for name, values in log.above.features.items():
            columns[f"{ABOVE_PREFIX}{name}"] = Column(values, offsets)
    return columns


def _above_of(
    schema: FeatureSchema, columns: Mapping[str, Column], pages: TextColumn
) -> LoggedAbove:
    def numbers(name: str) -> NDArray[np.int64]:
        values: NDArray[np.int64] = np.asarray(columns[f"{ABOVE_PREFIX}{name}"].values)
        return values

    return LoggedAbove(
        offsets=_shared_offsets(columns, ABOVE_PREFIX, ABOVE_KEY, pages),
        dedup_keys=numbers(ABOVE_KEY.removeprefix(ABOVE_PREFIX)),
        features={feature.name: numbers(feature.name) for feature in schema.above},
    )


def _shared_offsets(
    columns: Mapping[str, Column], prefix: str | tuple[str, ...], leader: str, pages: TextColumn
) -> NDArray[np.int64]:
    """Offsets of the leading list column, which every column that it leads must have."""
    lists = {name: column.offsets for name, column in columns.items() if column.offsets is not None}
    for name, offsets in lists.items():
        if name.startswith(prefix):
            check_lengths(name, np.diff(offsets), np.diff(lists[leader]), pages)
    return lists[leader]
