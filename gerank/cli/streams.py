"""Standard output and standard error of the command, as a shell may hand them over.

Either may be closed from the start, be closed later by whoever read it (`| head -1`), be on a disk
that is full, or lead to a pipe that nobody empties. What is only told must not end the work that it
tells of.
"""

from __future__ import annotations

import os
import select
import sys
from contextlib import suppress
from typing import Any, TextIO, cast


class _IgnoringErrors:
    """A stream whose write errors nobody needs to know of; else as the stream that it wraps."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        """Writes `text`, if that can be done."""
        with suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        """Writes what is held back, if that can be done; the stream keeps it if not."""
        with suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


class _NonBlocking(_IgnoringErrors):
    """A stream that loses what cannot be written at once.

    A pipe whose reader is alive but does not read takes nothing once it is full. A write of more
    than PIPE_BUF bytes could wait in the middle.
    """

    def write(self, text: str) -> int:
        """Writes what the descriptor takes now."""
        try:
            descriptor = self._stream.fileno()
        except OSError:  # it is no file: nothing can keep it waiting
            return super().write(text)
        with suppress(OSError):
            ready = select.poll()
            ready.register(descriptor, select.POLLOUT)
            rest = text.encode(self._stream.encoding, self._stream.errors or "strict")
            while rest and ready.poll(0):
                rest = rest[os.write(descriptor, rest[: select.PIPE_BUF]) :]
        return len(text)


def open_standard_streams() -> None:
    """Gives closed standard streams /dev/null, lest a connection or an artifact take their place.

    Errors of standard error are ignored from here on.
    """
    for descriptor in (0, 1, 2):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free: this one
    if sys.stdout is None:
        sys.stdout = os.fdopen(1, "w", closefd=False)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    sys.stderr = _ignoring_errors(sys.stderr)


def stop_waiting_for_readers() -> None:
    """Lets a process whose work is elsewhere go on when nobody reads what it writes.

    What was written before must have been flushed: later texts do not wait for it.
    """
    sys.stdout, sys.stderr = _non_blocking(sys.stdout), _non_blocking(sys.stderr)


def flush_output() -> None:
    """Lets the interpreter end without a word of its own on what could not be written."""
    try:
        sys.stdout.flush()
    except OSError:
        discard_output()


def discard_output() -> None:
    """Sends to nowhere what is still to be written to standard output."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _non_blocking(stream: TextIO) -> TextIO:
    return cast(TextIO, stream if isinstance(stream, _NonBlocking) else _NonBlocking(stream))


def _ignoring_errors(stream: TextIO) -> TextIO:
    return cast(TextIO, stream if isinstance(stream, _IgnoringErrors) else _IgnoringErrors(stream))
