"""Schema, exposure logs, imports, requests, the simulator and converters of public data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gerank.data.importing.log import import_log as import_log

__all__ = ["import_log"]


def __getattr__(name: str) -> Any:
    """Loads what needs DuckDB when it is asked for."""
    if name != "import_log":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from gerank.data.importing.log import import_log

    return import_log
