"""The names of features in a request, and what their values must be, as messages say it."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence

from gerank.data.feature_block import Block
from gerank.data.request import RequestError
from gerank.data.schema import Feature, FeatureKind
from gerank.unknown_features import UnknownFeatures

_MOST_LISTED = 16


def check_names(
    path: str,
    given: Mapping[str, object],
    features: Sequence[Feature],
    unknown: UnknownFeatures = UnknownFeatures.REFUSE,
    blocks: Sequence[Block] = (),
) -> None:
    """Checks that `given` names every feature that has no default and, as `unknown` says, no other.

    Where no column of a block is given, messages speak of the block.

    Raises:
        RequestError: The first feature that is unknown, with the nearest known one, or missing.
    """
    names = [feature.name for feature in features]
    for name, value in given.items():
        if name not in names and unknown is UnknownFeatures.REFUSE:
            known = [*names, *(block.name for block in blocks)]
            raise unknown_name(f"{path}.{name}", value, "feature", name, known)
    for feature in features:
        if feature.name not in given and feature.default is None:
            name = next(
                (
                    block.name
                    for block in blocks
                    if feature.name in block.columns and given.keys().isdisjoint(block.columns)
                ),
                feature.name,
            )
            written = _as_written(given, blocks)
            raise RequestError(f"{path}.{name}", written, "the feature is missing")


def _as_written(given: Mapping[str, object], blocks: Sequence[Block]) -> list[str]:
    """The names of what was given; a block's name stands for its columns."""
    whole = [block for block in blocks if given.keys() >= set(block.columns)]
    columns = {name for block in whole for name in block.columns}
    return sorted({*(given.keys() - columns), *(block.name for block in whole)})


def unknown_name(
    field: str, value: object, what: str, name: str, known: Collection[str]
) -> RequestError:
    """The error for a name that nobody knows; it suggests the nearest one."""
    nearest = difflib.get_close_matches(name, known, n=1)
    rest = len(known) - _MOST_LISTED
    listed = f"known are {sorted(known)[:_MOST_LISTED]}" + (f" and {rest} more" if rest > 0 else "")
    hint = f"the nearest is {nearest[0]!r}" if nearest else listed
    return RequestError(field, value, f"unknown {what}, {hint}")


def rule_of(feature: Feature, value: object) -> str:
    """What this value of the feature must be, as messages say it."""
    if feature.kind is FeatureKind.DENSE:
        return "must be a finite float32"
    if feature.hashed:
        return "must be a 64-bit integer or a string"
    if isinstance(value, str) and feature.values:
        return "unknown value, must be one that the artifact knows"
    return f"must be an id in [0, {feature.vocabulary - 1}]"
