"""Joins folders of servers with feedback, for the tests of what comes of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gerank.data.exposure_log import ExposureLog
from gerank.data.importing import ImportLogError
from gerank.data.joining import Joined, join_exposures
from tests.data.served import document, record, write_folder

ROWS = ("request_id,slot,click", "r1,1,1", "r1,2,0", "r2,0,1")
"""Feedback of the folder that `two_pages` writes."""


def two_pages(folder: Path) -> Path:
    """A drawn page of request r1, and a greedy one of r2."""
    greedy = document("p2", mode="greedy")
    return write_folder(
        folder, [record("r1", document("p1")), record("r2", greedy, time=2_000_000)]
    )


def joined(
    folders: Path | list[Path], feedback: str | list[str], **options: Any
) -> tuple[Joined, ExposureLog]:
    """What `join_exposures` says, and the log that it wrote."""
    exposures = [folders] if isinstance(folders, Path) else folders
    files = [feedback] if isinstance(feedback, str) else feedback
    out = exposures[0].parent / "joined"
    done = join_exposures(exposures, files, out, **options)
    return done, ExposureLog.read(out)


def refusal(
    folders: Path | list[Path],
    feedback: str,
    error: type[Exception] = ImportLogError,
    **options: Any,
) -> str:
    """Why they cannot be joined."""
    with pytest.raises(error) as caught:
        joined(folders, feedback, **options)
    return str(caught.value)
