"""Servers that a forked process inherits: they belong to its parent, and are left alone."""

from __future__ import annotations

import os


class OtherProcessError(RuntimeError):
    """A server was inherited by fork: its threads run in the parent alone."""


class OwnProcess:
    """Remembers the process that it was made in."""

    def __init__(self) -> None:
        self._pid = os.getpid()

    @property
    def here(self) -> bool:
        """Whether this is that process still."""
        return os.getpid() == self._pid

    def check(self, what: str) -> None:
        """Raises OtherProcessError in a process that was forked off.

        Args:
            what: The method that was called.
        """
        if not self.here:
            raise OtherProcessError(
                f"{what}: this server was made by process {self._pid} and inherited by its fork "
                f"{os.getpid()}, where nothing runs it: start a server of this process"
            )
