"""The errors of importing a log."""

from __future__ import annotations


class ImportLogError(ValueError):
    """A mapping or a source that cannot be imported; the message names file, column and value."""


class MappingError(ImportLogError):
    """A mapping that does not fit the source; the message begins with the mapping's key."""
