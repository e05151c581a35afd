"""Logged pages as the JSON documents that `gerank rerank` and the client take."""

from __future__ import annotations

from typing import Any

from gerank.data.block_values import joined_blocks
from gerank.data.exposure_log import ExposureLog


def request_document(log: ExposureLog, row: int) -> dict[str, Any]:
    """Page `row` of a log as a request without rules; blocks are lists."""
    first, last = (int(log.candidate_offsets[place]) for place in (row, row + 1))
    return {
        "id": str(log.page_ids[row]),
        "user": joined_blocks({n: v[row] for n, v in log.user.items()}, log.schema, "user"),
        "candidates": [
            {"id": str(log.candidate_names[place])}
            | joined_blocks(
                {n: v[place] for n, v in log.candidate.items()}, log.schema, "candidate"
            )
            for place in range(first, last)
        ],
    }
