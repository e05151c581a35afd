"""A folder that one process at a time writes into."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class FolderInUseError(ValueError):
    """Another process writes into a folder; the message names it."""


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Keeps others out of a folder, which it makes where it is missing; a killed one lets go.

    Raises:
        FolderInUseError: A process of this machine, or of the same file system, holds it.
        OSError: The folder cannot be made.
    """
    folder.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise FolderInUseError(f"another process writes into {folder}") from None
        yield
    finally:
        os.close(descriptor)
