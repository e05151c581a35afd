"""What becomes of features of a request that an artifact does not know: one word for all fronts."""

from __future__ import annotations

from enum import StrEnum


class UnknownFeatures(StrEnum):
    """REFUSE the request, or IGNORE the features.

    Where they are ignored, a model that needs a feature less goes live before all callers have
    changed. A feature more needs a default in the schema.
    """

    REFUSE = "refuse"
    IGNORE = "ignore"


def checked(value: object) -> UnknownFeatures:
    """The word as one of the two.

    Raises:
        ValueError: It is neither.
    """
    if value not in list(UnknownFeatures):
        raise ValueError(f"unknown_features: must be ignore or refuse, got {value!r}")
    return UnknownFeatures(str(value))
