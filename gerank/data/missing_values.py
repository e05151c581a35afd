"""Flags `<name>_missing` in documents: they follow from whether a value is there."""

from __future__ import annotations

from array import array
from collections.abc import Mapping
from typing import Any

from gerank.data.missing_flag import MissingFlag
from gerank.data.request import RequestError
from gerank.data.schema import Feature, FeatureSchema, SchemaError


def with_missing_flags(
    path: str, given: Mapping[str, Any], schema: FeatureSchema, side: str
) -> Mapping[str, Any]:
    """The features of one person or candidate with the flags that they leave out.

    A value that is there is not missing; one that is left out or null is, and has the default. A
    flag that is given stays.

    Args:
        path: Where they stand in the document, for messages.
        given: Name -> value, as people write it; blocks are still lists.
        schema: The features.
        side: `user` or `candidate`.

    Raises:
        RequestError: A flag says that a value is there which is not.
    """
    flags = schema.missing_flags[side]
    if not flags:
        return given
    told = dict(given)
    for flag in flags:
        there = any(told.get(name) is not None for name in flag.names)
        if not there:
            for name in flag.names:
                told.pop(name, None)
        if told.get(flag.feature.name) is None:
            told[flag.feature.name] = 0 if there else 1
        elif not there and _says(flag, told) == 0 and flag.columns[0].default is not None:
            raise RequestError(
                f"{path}.{flag.feature.name}",
                told[flag.feature.name],
                f"says that {flag.name!r} is given, which it is not; leave the flag out",
            )
    return told


def check_missing_flags(
    path: str, spread: Mapping[str, Any], schema: FeatureSchema, side: str
) -> None:
    """Refuses a value other than the default where the flag says that it is missing.

    Args:
        path: Where the features stand in the document, for messages.
        spread: Name of a feature -> value; blocks are in their columns.
        schema: The features.
        side: `user` or `candidate`.

    Raises:
        RequestError: It names the flag and the value.
    """
    for flag in schema.missing_flags[side]:
        if _says(flag, spread) != 1:
            continue
        for column in flag.columns:
            if column.name in spread and not _is_default(column, spread[column.name]):
                rule = f"says that {flag.name!r} is missing, and {column.name!r} is "
                rule += f"{spread[column.name]!r}; leave the flag out"
                raise RequestError(f"{path}.{flag.feature.name}", spread[flag.feature.name], rule)


def _says(flag: MissingFlag, told: Mapping[str, Any]) -> float | int | None:
    """The flag's number; None where there is none, or no such, which is told of elsewhere."""
    try:
        return flag.feature.encode(told.get(flag.feature.name))
    except SchemaError:
        return None


def _is_default(column: Feature, value: object) -> bool:
    """Whether it is the default, as a log holds it; True of what is told of elsewhere."""
    if column.default is None:
        return True
    try:
        return _as_logged(column.encode(value)) == _as_logged(column.default)
    except (SchemaError, UnicodeEncodeError):
        return True


def _as_logged(number: float) -> float:
    """The number in float32, infinite where it is beyond."""
    return array("f", [number])[0]
