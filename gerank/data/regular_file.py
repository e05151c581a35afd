"""Opens files that must be read at any place, and says what a path is that is no such file."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import BinaryIO

_KINDS = {
    stat.S_IFDIR: "a directory",
    stat.S_IFIFO: "a FIFO",
    stat.S_IFSOCK: "a socket",
}


class NotRegularFileError(ValueError):
    """A path without a regular file; says what is there, without the path."""


def open_regular(path: Path) -> BinaryIO:
    """Opens a regular file for reading; never waits, also not for the writer of a FIFO.

    Libraries get the open file and not the path: some take a colon in a path for the scheme of a
    URI, or cannot take bytes that are no UTF-8.

    Raises:
        NotRegularFileError: There is no such file, it is of another kind, or it may not be read.
    """
    try:
        mode = path.stat().st_mode  # before it is opened: to open a device may do something
        if not stat.S_ISREG(mode):
            kind = _KINDS.get(stat.S_IFMT(mode), "a device")
            raise NotRegularFileError(f"is {kind}, not a regular file")
        return open(path, "rb", opener=_without_waiting)
    except (FileNotFoundError, NotADirectoryError):
        raise NotRegularFileError("no such file") from None
    except OSError as error:
        raise NotRegularFileError(f"cannot be read: {error.strerror}") from None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)
