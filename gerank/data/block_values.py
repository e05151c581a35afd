"""Blocks in documents: lists under the name of a block become columns, and columns lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gerank.data.feature_block import Block, BlockKind
from gerank.data.request import RequestError
from gerank.data.schema import Feature, FeatureSchema, SchemaError


def spread_blocks(
    path: str, given: Mapping[str, Any], schema: FeatureSchema, side: str
) -> Mapping[str, Any]:
    """The features of one person or candidate with every block's list in its columns.

    Columns that are given by their own names stay as they are. A list of ids
    gives its first entries, as many as there are columns, as in an import; the rest is not read.
    A list that is shorter fills the columns that are left with the mark of no entry.

    Args:
        path: Where they stand in the document, for messages.
        given: Name -> value, as people write it.
        schema: The features.
        side: `user` or `candidate`.

    Raises:
        RequestError: A block is no list, a vector is of another width, a block is given beside a
            column of its own, or an entry does not fit its feature.
    """
    blocks = [block for block in schema.blocks_of(side) if block.name in given]
    if not blocks:
        return given
    features = schema.named[side]
    spread = dict(given)
    for block in blocks:
        field, value = f"{path}.{block.name}", spread.pop(block.name)
        for column in block.columns:
            if column in given:
                rule = f"is given as {block.name!r} too; give one of the two"
                raise RequestError(f"{path}.{column}", given[column], rule)
        spread |= _columns(field, _entries(field, value), block, features)
    return spread


def joined_blocks(
    columns: Mapping[str, Any], schema: FeatureSchema, side: str
) -> dict[str, float | int | str | list[Any]]:
    """The inverse: features and blocks of one person or candidate, in the order of the schema.

    Args:
        columns: Name of a feature -> its number.
        schema: The features.
        side: `user` or `candidate`.
    """
    block_of = {name: block for block in schema.blocks_of(side) for name in block.columns}
    features = schema.named[side]
    joined: dict[str, float | int | str | list[Any]] = {}
    for name, feature in features.items():
        block = block_of.get(name)
        if block is None:
            joined[name] = feature.decode(columns[name])
        elif block.name not in joined:
            entries = [(features[column], columns[column]) for column in block.columns]
            joined[block.name] = [
                of.decode(number)
                for of, number in entries
                if block.kind is BlockKind.VECTOR or number != of.default
            ]
    return joined


def _entries(field: str, value: object) -> Sequence[Any]:
    if getattr(value, "ndim", None) == 1:
        return list(value)  # type: ignore[call-overload, no-any-return]  # an array of numpy's
    if not isinstance(value, Sequence) or isinstance(value, str | bytes):
        raise RequestError(field, value, "must be an array")
    return value


def _columns(
    field: str, entries: Sequence[Any], block: Block, features: Mapping[str, Feature]
) -> dict[str, float | int]:
    width, first = len(block.columns), features[block.columns[0]]
    if block.kind is BlockKind.VECTOR:
        if len(entries) != width:
            raise RequestError(field, f"{len(entries)} numbers", f"must be an array of {width}")
        read = [_number(f"{field}[{n}]", value, first) for n, value in enumerate(entries)]
        return dict(zip(block.columns, read, strict=True))
    assert first.default is not None
    ids = [_entry(f"{field}[{n}]", value, first) for n, value in enumerate(entries[:width])]
    ids += [first.default] * (width - len(ids))
    return dict(zip(block.columns, ids, strict=True))


def _number(field: str, value: object, feature: Feature) -> float | int:
    try:
        return feature.encode(value)
    except SchemaError as error:
        raise RequestError(field, value, "must be a finite float32") from error


def _entry(field: str, value: object, feature: Feature) -> float | int:
    if feature.hashed:
        rule = "must be an integer in [0, 2^63 - 1] or a string"
    else:
        rule = f"must be an id in [0, {feature.vocabulary - 2}]"
    try:
        number = feature.encode(value)
    except (SchemaError, UnicodeEncodeError) as error:
        raise RequestError(field, value, rule) from error
    if number == feature.default or (feature.hashed and number < 0):
        raise RequestError(field, value, rule)
    return number
