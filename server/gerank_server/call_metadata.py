"""What the front in Python reads of a call's metadata."""

from __future__ import annotations

from collections.abc import Sequence

REQUEST_ID = "x-request-id"
"""Metadata of a call that names it, and of its answer where the server named it."""
ARM = "x-arm"
"""Metadata of a call: the arm of an experiment."""

Metadata = Sequence[tuple[str, str | bytes]]


def first_text(metadata: Metadata, name: str) -> str:
    """The first value under a name; empty where there is none."""
    value = next((value for key, value in metadata if key == name), "")
    return value if isinstance(value, str) else ""
