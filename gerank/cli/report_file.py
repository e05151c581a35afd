"""What commands with `--report FILE.html` share."""

from __future__ import annotations

import importlib.util
from pathlib import Path


class ReportMissingError(RuntimeError):
    """The package of the extra `report` is not installed."""


def require_plotting() -> None:
    """Is called before anything is computed that could not be drawn.

    Raises:
        ReportMissingError: matplotlib is not installed.
    """
    if importlib.util.find_spec("matplotlib") is None:
        raise ReportMissingError("the report needs matplotlib: pip install 'gerank[report]'")


def write_page(path: Path, page: str) -> None:
    """Writes a page, whole or not at all."""
    from gerank.data.whole_file import whole_file

    with whole_file(path) as draft:
        draft.write_text(page, encoding="utf-8")
