"""Logged pages as the JSON documents that `gerank rerank` and the client take."""

from __future__ import annotations

from typing import Any

from gerank.data.exposure_log import ExposureLog
from gerank.data.schema import Feature, FeatureKind


def request_document(log: ExposureLog, row: int) -> dict[str, Any]:
    """Page `row` of a log as a request without rules."""
    first, last = (int(log.candidate_offsets[place]) for place in (row, row + 1))
    return {
        "id": str(log.page_ids[row]),
        "user": {f.name: _plain(f, log.user[f.name][row]) for f in log.schema.user},
        "candidates": [
            {"id": str(log.candidate_names[place])}
            | {f.name: _plain(f, log.candidate[f.name][place]) for f in log.schema.candidate}
            for place in range(first, last)
        ],
    }


def _plain(feature: Feature, value: Any) -> float | int | str:
    if feature.kind is FeatureKind.DENSE:
        return float(value)
    return feature.values[int(value)] if feature.values else int(value)
