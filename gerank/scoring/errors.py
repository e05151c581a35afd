"""What can be wrong with a job, or with some of its rows."""

from __future__ import annotations


class ScoringError(ValueError):
    """The job cannot be done as it is asked for; the message names a file or an option."""


class NotColumnarError(ValueError):
    """Rows that do not become columns together: each is read by itself, which tells what is wrong.

    It is no error of the user alone: a file of JSON documents has no columns either.
    """
