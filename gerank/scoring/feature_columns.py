"""The features of users or candidates: columns of a table as the engine reads them.

What is done here for a whole column, `gerank.data.request_json` does value by value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from gerank.data.schema import NOT_FEATURES, Feature, FeatureKind, FeatureSchema
from gerank.scoring.block_columns import BlockColumns
from gerank.scoring.errors import NotColumnarError
from gerank.scoring.feature_numbers import dense_numbers, encoded
from gerank.scoring.missing_columns import flag_numbers
from gerank.unknown_features import UnknownFeatures

EngineBlock = tuple[list[str], str, NDArray[Any]]
"""Names, type (`f4`, `f8` or `i8`) and numbers [rows, names]."""


class FeatureColumns:
    """Reads one side of requests.

    Args:
        schema: The features.
        side: `user` or `candidate`.
        unknown: What becomes of features that the schema does not know.
    """

    def __init__(self, schema: FeatureSchema, side: str, unknown: UnknownFeatures) -> None:
        self._features: Mapping[str, Feature] = schema.named[side]
        self._blocks = {block.name: block for block in schema.blocks_of(side)}
        self._flags = {flag.feature.name: flag for flag in schema.missing_flags[side]}
        self._others = NOT_FEATURES if side == "candidate" else ()
        self._refuses = unknown is UnknownFeatures.REFUSE

    def read(self, given: pa.StructArray) -> list[EngineBlock]:
        """The features of every row, each once; those that are left out have their defaults.

        Args:
            given: [E] objects, none of them null.

        Raises:
            NotColumnarError: A value does not fit, or a feature is missing.
        """
        columns = self._columns(given)
        blocks, spread = self._read_blocks(columns)
        for name, feature in self._features.items():
            if name in spread:
                continue
            if name in self._flags:
                numbers = flag_numbers(self._flags[name], columns, spread, len(given))
            else:
                numbers = _numbers(feature, columns.get(name), len(given))
            blocks.append(_engine_block([name], numbers))
        return blocks

    def _columns(self, given: pa.StructArray) -> dict[str, pa.Array]:
        """The columns of known features and blocks that have any value."""
        names = [field.name for field in given.type]
        if len(set(names)) < len(names):
            raise NotColumnarError("a name is there twice")
        columns = {name: given.field(place) for place, name in enumerate(names)}
        there = {n: c for n, c in columns.items() if c.null_count < len(c) or len(c) == 0}
        known = {n: c for n, c in there.items() if n in self._features or n in self._blocks}
        if self._refuses and there.keys() - known.keys() - set(self._others):
            raise NotColumnarError("a feature is unknown")
        return known

    def _read_blocks(self, columns: Mapping[str, pa.Array]) -> tuple[list[EngineBlock], set[str]]:
        """Blocks that are given under their own names, and the features that are so told."""
        read, spread = list[EngineBlock](), set[str]()
        for name, block in self._blocks.items():
            if name not in columns:
                continue
            if not columns.keys().isdisjoint(block.columns):
                raise NotColumnarError(f"{name} is given in two ways")
            features = [self._features[column] for column in block.columns]
            numbers = BlockColumns(block, features).read(columns[name])
            read.append(_engine_block(block.columns, numbers))
            spread.update(block.columns)
        return read, spread


def _engine_block(names: Sequence[str], numbers: NDArray[Any]) -> EngineBlock:
    return list(names), f"{numbers.dtype.kind}{numbers.dtype.itemsize}", numbers


def _numbers(feature: Feature, column: pa.Array | None, rows: int) -> NDArray[Any]:
    dense = feature.kind is FeatureKind.DENSE
    if column is not None:
        return dense_numbers(column, feature.default) if dense else encoded(feature, column)
    if feature.default is None:
        raise NotColumnarError(f"{feature.name} is missing")
    return np.full(rows, feature.default, np.float32 if dense else np.int64)
