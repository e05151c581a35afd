"""The error of a schema, in a file of its own: features and blocks of features both raise it."""

from __future__ import annotations


class SchemaError(ValueError):
    """A schema that contradicts itself, or a value that does not fit its feature."""
