"""A first TOML file for training on a log of one's own: a start, not a recommendation."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np

from gerank.data.exposure_log import ExposureLog
from gerank.data.whole_file import whole_file

_LEAST_SHARE_SHOWN = 0.25
"""Share of the pages that should show the lowest slot that is asked for."""
_MOST_SLOTS = 20


def write_first_config(path: Path, log: Path) -> None:
    """Writes the settings that have no default and those that follow from the log.

    Args:
        path: The file.
        log: Folder of the log, which the file names relative to itself.

    Raises:
        ExposureLogError: The log cannot be read.
        OSError: The file cannot be written.
    """
    slots = likely_slots(np.diff(ExposureLog.read(log).slate_offsets))
    named = os.path.relpath(log.resolve(), path.resolve().parent)
    lines = [
        "# Settings for `gerank train`; all others have defaults.",
        "[data]",
        f"log = {json.dumps(named, ensure_ascii=False)}",
        f"slots = {slots}  # a quarter of the pages shows so many, or more",
    ]
    with whole_file(path) as draft:
        draft.write_text("\n".join(lines) + "\n", encoding="utf-8")


def likely_slots(lengths: np.ndarray) -> int:
    """How many slots to train for.

    Args:
        lengths: [E] Shown slots of each page.
    """
    return int(np.clip(np.quantile(lengths, 1 - _LEAST_SHARE_SHOWN), 1, _MOST_SLOTS))
