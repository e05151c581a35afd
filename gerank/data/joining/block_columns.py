"""Columns of features from the blocks of a message: the inverse of `gerank.wire.feature_blocks`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gerank.data.schema import Feature, FeatureKind


def columns_of_blocks(
    blocks: Iterable[Any], features: tuple[Feature, ...], rows: int
) -> dict[str, NDArray[Any]]:
    """Every feature's values, the default where the message leaves the feature out.

    Args:
        blocks: FeatureBlock messages that an artifact with these features has answered; others
            in them are passed over.
        features: What one side of a schema has.
        rows: R: 1 for the user, M for candidates.

    Returns:
        Feature name -> [R], float32 (dense) or int64 (id).

    Raises:
        KeyError: A feature without a default is missing.
        ValueError: A block has not R values for each of its names.
    """
    given: dict[str, NDArray[Any]] = {}
    for block in blocks:
        values = _numbers(block).reshape(rows, len(block.names))
        given |= {name: values[:, place] for place, name in enumerate(block.names)}
    columns = {}
    for feature in features:
        dtype = np.float32 if feature.kind is FeatureKind.DENSE else np.int64
        if feature.name in given:
            columns[feature.name] = given[feature.name].astype(dtype)
        elif feature.default is not None:
            columns[feature.name] = np.full(rows, feature.default, dtype)
        else:
            raise KeyError(feature.name)
    return columns


def _numbers(block: Any) -> NDArray[Any]:
    if block.float32_le:
        return np.frombuffer(block.float32_le, "<f4")
    if block.int64_le:
        return np.frombuffer(block.int64_le, "<i8")
    if block.floats:
        return np.array(block.floats, np.float32)
    return np.array(block.ints, np.int64)
