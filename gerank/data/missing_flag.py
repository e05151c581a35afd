"""Which flags of a schema tell defaults from values: those named `<name>_missing`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from gerank.data.feature_block import Block

if TYPE_CHECKING:
    from gerank.data.feature import Feature

MISSING_SUFFIX = "_missing"
"""Ends the name of a flag that tells the default of a feature or block from its values."""

YES_NO = ("no", "yes")
"""The values of a flag."""


@dataclass(frozen=True)
class MissingFlag:
    """A flag that tells whether a value is missing.

    Attributes:
        feature: The flag: no or yes.
        name: The feature or block that it speaks of.
        columns: The features of its columns; of a feature, itself alone.
    """

    feature: Feature
    name: str
    columns: tuple[Feature, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All names under which the value may be given."""
        return tuple(dict.fromkeys((self.name, *(column.name for column in self.columns))))


def flags_among(
    features: Mapping[str, Feature], blocks: Sequence[Block]
) -> tuple[MissingFlag, ...]:
    """The flags of one side that stand beside what they name; `features` by name."""
    columns: dict[str, tuple[Feature, ...]] = {
        name: (feature,) for name, feature in features.items()
    }
    columns |= {block.name: tuple(features[name] for name in block.columns) for block in blocks}
    names = {name: name.removesuffix(MISSING_SUFFIX) for name in features}
    return tuple(
        MissingFlag(features[name], of, columns[of])
        for name, of in names.items()
        if of != name and of in columns and features[name].values == YES_NO
    )
