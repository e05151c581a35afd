"""Logged pages as the JSON documents that `gerank rerank` and the client take."""

from __future__ import annotations

from typing import Any

import numpy as np

from gerank.data.block_values import joined_blocks
from gerank.data.exposure_log import ExposureLog

Document = dict[str, Any]


def request_document(log: ExposureLog, row: int) -> Document:
    """Page `row` of a log as a request; blocks are lists.

    It has no rules but for what stood above the page, as training sees it: an item from there does
    not come again, unless the page showed it again.
    """
    first, last = (int(log.candidate_offsets[place]) for place in (row, row + 1))
    document: Document = {
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
    above = _above(log, row, document["candidates"])
    return document | {"above": above} if above else document


def _above(log: ExposureLog, row: int, candidates: list[Document]) -> list[Document]:
    """The slots above; a candidate that does not come again gets its id for a dedup key."""
    ids, _, keys = (column[0].tolist() for column in log.slots_above(np.array([row])))
    columns = [feature.name for feature in log.schema.candidate_ids]
    slots = []
    for values, key in zip(ids, keys, strict=True):
        told = dict(zip(columns, values, strict=True))
        slot = {feature.name: told[feature.name] for feature in log.schema.above}
        if key >= 0:
            slot["dedup_key"] = candidates[key]["dedup_key"] = candidates[key]["id"]
        slots.append(slot)
    return slots
