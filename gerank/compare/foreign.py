"""Slates that another system chose, to be judged in the same tables."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from gerank.compare.slate_check import wrong_slot
from gerank.data.exposure_log import ExposureLog


class ForeignSlatesError(ValueError):
    """A file of slates that does not fit the test pages; the message names file, line and value."""


def read_slates(path: Path, log: ExposureLog, slots: int) -> NDArray[np.int64]:
    """The slates of a file of JSON lines `{"id": page, "order": candidate indices as logged}`.

    Args:
        path: The file: a line for every page of the log, in any order, as `gerank evaluate
            --slates` writes them.
        log: The pages.
        slots: N. A longer order is cut.

    Returns:
        [E, N] int64, -1 behind the end.

    Raises:
        ForeignSlatesError: The file is missing, a line is malformed, a page is unknown, missing or
            there twice, or an order names a candidate that the page has not, or twice.
        OSError: The file cannot be read.
    """
    row_of = {str(page): row for row, page in enumerate(log.page_ids)}
    lengths = np.diff(log.candidate_offsets)
    slates = np.full((len(log), slots), -1, np.int64)
    line_of: dict[int, int] = {}
    with _opened(path) as lines:
        for number, line in enumerate(lines, start=1):
            where = f"{path}, line {number}"
            page, order = _parsed(line, where)
            row = row_of.get(page)
            if row is None:
                raise ForeignSlatesError(f"{where}: id {page!r} is no page of the test log")
            if row in line_of:
                raise ForeignSlatesError(f"{where}: id {page!r} is in line {line_of[row]} already")
            if wrong := wrong_slot(order, int(lengths[row])):
                slot, what = wrong
                raise ForeignSlatesError(f"{where}: order[{slot}] {what}")
            line_of[row] = number
            slates[row, : min(slots, len(order))] = order[:slots]
    if len(line_of) < len(log):
        missing = next(page for page, row in row_of.items() if row not in line_of)
        raise ForeignSlatesError(
            f"{path}: {len(log) - len(line_of)} of {len(log)} test pages have no line, such as id "
            f"{missing!r}"
        )
    return slates


def _opened(path: Path) -> TextIO:
    try:
        return path.open(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        raise ForeignSlatesError(f"--slates: {path}: no such file") from None


def _parsed(line: str, where: str) -> tuple[str, list[Any]]:
    try:
        document = json.loads(line)
    except json.JSONDecodeError as error:
        raise ForeignSlatesError(f"{where}: not JSON: {error}") from None
    if not isinstance(document, dict) or set(document) != {"id", "order"}:
        raise ForeignSlatesError(f'{where}: {line.strip()[:80]!r} is not {{"id": .., "order": ..}}')
    page, order = document["id"], document["order"]
    if not isinstance(page, str):
        raise ForeignSlatesError(f"{where}: id is {page!r}, not a text")
    if not isinstance(order, list):
        raise ForeignSlatesError(f"{where}: order is {order!r}, not a list")
    return page, order
