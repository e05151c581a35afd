"""Files that appear whole or not at all."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Lends a path beside `path` to write to; a normal exit moves the file into place.

    Whoever opens `path` meanwhile sees the old file; after an error the old file is untouched and
    nothing is left beside it.

    Raises:
        OSError: The folder cannot be made, or the file cannot be moved.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.unfinished")
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
