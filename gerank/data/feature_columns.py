"""From named columns of one request to matrices in the order of the schema, checked on the way.

Axes: R rows (1 for the user, M for candidates), F features of one kind.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gerank.data.request import RequestError
from gerank.data.schema import Feature, FeatureKind


def dense_matrix(
    side: str, columns: Mapping[str, ArrayLike], features: Sequence[Feature], rows: int
) -> NDArray[np.float32]:
    """Stacks dense features.

    Args:
        side: `user` or `candidates`, for messages.
        columns: Feature name -> [R] numbers.
        features: The F dense features of that side.
        rows: R.

    Returns:
        [R, F] float32, finite.

    Raises:
        RequestError: A column has another length or type, or a value is no finite float32.
    """
    matrix = np.empty((len(features), rows), np.float32)
    with np.errstate(over="ignore"):  # a float64 beyond float32 becomes infinite, which is caught
        for row, feature in zip(matrix, features, strict=True):
            row[:] = _column(side, feature, columns[feature.name], rows)
    _check_values(side, columns, features, np.isfinite(matrix))
    return matrix.T


def id_matrix(
    side: str, columns: Mapping[str, ArrayLike], features: Sequence[Feature], rows: int
) -> NDArray[np.int64]:
    """Stacks id features: as `dense_matrix`, but [R, F] int64 within the vocabularies.

    Raises:
        RequestError: A column has another length or type, or a value is not in its vocabulary.
    """
    matrix = np.empty((len(features), rows), np.int64)
    for row, feature in zip(matrix, features, strict=True):
        row[:] = _column(side, feature, columns[feature.name], rows)
    hashed = np.array([feature.hashed for feature in features], bool)[:, None]
    vocabulary = np.array([feature.vocabulary for feature in features], np.int64)[:, None]
    _check_values(side, columns, features, hashed | ((matrix >= 0) & (matrix < vocabulary)))
    return matrix.T


def check_names(path: str, given: Mapping[str, object], features: Sequence[Feature]) -> None:
    """Checks that `given` names every feature and nothing else.

    Raises:
        RequestError: The first feature that is unknown, with the nearest known one, or missing.
    """
    names = [feature.name for feature in features]
    for name, value in given.items():
        if name not in names:
            raise unknown_name(f"{path}.{name}", value, "feature", name, names)
    for name in names:
        if name not in given:
            raise RequestError(f"{path}.{name}", sorted(given), "the feature is missing")


def unknown_name(
    field: str, value: object, what: str, name: str, known: Collection[str]
) -> RequestError:
    """The error for a name that nobody knows; it suggests the nearest one."""
    nearest = difflib.get_close_matches(name, known, n=1)
    hint = f"the nearest is {nearest[0]!r}" if nearest else f"known are {sorted(known)[:8]}"
    return RequestError(field, value, f"unknown {what}, {hint}")


def rule_of(feature: Feature) -> str:
    """What a value of the feature must be, as messages say it."""
    if feature.kind is FeatureKind.DENSE:
        return "must be a finite float32"
    if feature.hashed:
        return "must be a 64-bit integer or a string"
    return f"must be an id in [0, {feature.vocabulary - 1}]"


def _column(side: str, feature: Feature, values: ArrayLike, rows: int) -> NDArray[Any]:
    column = np.asarray(values)
    if column.shape != (rows,):
        wanted = "one value" if side == "user" else f"{rows} values, one per candidate"
        raise RequestError(f"{side}.{feature.name}", column.tolist(), f"must have {wanted}")
    dense = feature.kind is FeatureKind.DENSE
    if not (column.dtype.kind in "fiu" if dense else np.can_cast(column.dtype, np.int64)):
        wanted = "real numbers" if dense else "64-bit integers"
        raise RequestError(f"{side}.{feature.name}", column.tolist(), f"must be {wanted}")
    return column


def _check_values(
    side: str, columns: Mapping[str, ArrayLike], features: Sequence[Feature], good: NDArray[Any]
) -> None:
    if good.all():
        return
    column, row = np.argwhere(~good)[0]  # good: [F, R]
    feature = features[column]
    path = side if side == "user" else f"{side}[{row}]"
    value = np.asarray(columns[feature.name])[row].item()
    raise RequestError(f"{path}.{feature.name}", value, rule_of(feature))
