"""Tables as other systems write them, small enough to check by hand, and their mappings."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from gerank.data.exposure_log import ExposureLog

LONG: dict[str, list[Any]] = {
    # page b came first; its rows are out of order
    "request": ["b", "a", "b", "a", "b"],
    "who": ["u2", "u1", "u2", "u1", "u2"],
    "at": [100, 200, 100, 200, 100],
    "place": [3, 1, 1, 2, 2],
    "sku": ["x", "y", "y", "x", "ü"],
    "price": [1.5, 2.5, 2.5, 1.5, None],
    "colour": ["red", "blue", "blue", "red", None],
    "fresh": [True, False, False, True, True],
    "clicked": [1, 0, 0, 1, 0],
    "seconds": [4.0, None, None, 7.5, None],
}
"""A row per shown item."""

LONG_MAP: dict[str, Any] = {
    "page": {"id": "request", "person": "who", "time": "at", "time_unit": "s"},
    "shown": {"item": "sku", "slot": "place", "first_slot": 1},
    "feedback": {
        "click": {"column": "clicked"},
        "dwell": {"column": "seconds", "kind": "amount"},
    },
    "candidate": {
        "price": {"kind": "dense", "default": 0.0, "missing_flag": True},
        "colour": {"kind": "id", "values": ["none", "red", "blue"], "default": "none"},
        "fresh": {"kind": "flag"},
        "sku": {"kind": "id", "vocabulary": 16},
    },
}

WIDE: dict[str, list[Any]] = {
    "request": ["a", "b"],
    "who": ["u1", "u2"],
    "at": [200, 100],
    "skus": [["y", "x"], ["y", "ü", "x"]],
    "price": [[2.5, 1.5], [2.5, None, 1.5]],
    "colour": [["blue", "red"], ["blue", None, "red"]],
    "fresh": [[False, True], [False, True, True]],
    "clicked": [[0, 1], [0, 0, 1]],
    "clicked_skus": [["x"], ["x"]],
    "seconds": [7.5, 4.0],
}
"""The same pages, a row each; the seconds are those of the clicked item."""

WIDE_MAP: dict[str, Any] = copy.deepcopy(LONG_MAP) | {
    "layout": "wide",
    "shown": {"item": "skus"},
    "feedback": {
        "click": {"column": "clicked"},
        "dwell": {"column": "seconds", "kind": "amount", "slots": "clicked"},
    },
}
WIDE_MAP["candidate"]["sku"]["column"] = "skus"


def table(columns: dict[str, list[Any]], **changes: Any) -> pa.Table:
    """The columns as a table, some of them replaced."""
    return pa.table({name: changes.get(name, values) for name, values in columns.items()})


def mapping(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A mapping in which dotted keys are replaced; None takes a key away."""
    changed = copy.deepcopy(base)
    for dotted, value in changes.items():
        *path, last = dotted.split(".")
        inner = changed
        for name in path:
            inner = inner.setdefault(name, {})
        if value is None:
            del inner[last]
        else:
            inner[last] = value
    return changed


def write_parquet(path: Path, columns: dict[str, list[Any]], **changes: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table(columns, **changes), path)
    return path


def shown(log: ExposureLog) -> list[list[str]]:
    """Names of the shown items, page by page from the top down."""
    pages = []
    for row in range(len(log)):
        names = log.candidate_names[log.candidate_offsets[row] : log.candidate_offsets[row + 1]]
        slate = log.slates[log.slate_offsets[row] : log.slate_offsets[row + 1]]
        pages.append([str(name) for name in names[slate]])
    return pages


def of_shown(log: ExposureLog, values: np.ndarray[Any, Any]) -> list[Any]:
    """A candidate feature of the shown items, page by page."""
    page = np.repeat(np.arange(len(log)), np.diff(log.slate_offsets))
    found: list[Any] = values[log.candidate_offsets[:-1][page] + log.slates].tolist()
    return found
