"""Features of several columns: a vector of numbers, or a list of ids of one vocabulary.

Tensors, logs and the wire know plain columns only. A block says which of them belong together, and
gives them one name, under which requests give them as a list.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from gerank.data.feature import Feature, SchemaError

EMPTY_NAME = "<empty>"
"""Names the last value of a list's vocabulary where its values have names: no entry."""

EMPTY_HASHED = -1
"""Stands for no entry in a list of hashed ids, whose other ids are all >= 0."""


class BlockKind(StrEnum):
    """What the columns of a block are together."""

    VECTOR = "vector"
    IDS = "ids"


class Pool(StrEnum):
    """How the embeddings of a list's entries become one vector; a list without entries gives 0.

    `attention` is a mean whose weights are a softmax of learned products with the candidate.
    """

    MEAN = "mean"
    SUM = "sum"
    ATTENTION = "attention"


@dataclass(frozen=True)
class Block:
    """One feature of several columns.

    Attributes:
        side: `user` or `candidate`.
        name: As people write it in requests; no feature of the side has it.
        kind: `vector` (dense columns) or `ids` (id columns alike but for their names, whose
            default is the mark of no entry).
        columns: Names of the features of its columns, in order.
        in_context: Whether the dense columns of a candidate's vector have a rank and a z-score in
            the candidate set.
        pool: Makes one vector of a list's embeddings; every candidate attends to a user's list.
    """

    side: str
    name: str
    kind: BlockKind
    columns: tuple[str, ...]
    in_context: bool = False
    pool: Pool = Pool.MEAN

    def __post_init__(self) -> None:
        if self.side not in ("user", "candidate"):
            raise SchemaError(f"block {self.name!r}: {self.side!r} is neither user nor candidate")
        if not self.name or not self.columns:
            raise SchemaError(f"block {self.name!r} needs a name and columns")

    def to_json(self) -> dict[str, Any]:
        """A plain dictionary."""
        how = {"in_context": self.in_context} if self.kind is BlockKind.VECTOR else {}
        pool = {"pool": str(self.pool)} if self.kind is BlockKind.IDS else {}
        named = {"side": self.side, "name": self.name, "kind": str(self.kind)}
        return named | how | pool | {"columns": list(self.columns)}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> Block:
        """The inverse of `to_json`.

        Raises:
            SchemaError: A value is malformed.
            KeyError, TypeError: A key is missing or unknown.
        """
        fields = dict(entry)
        try:
            kind, pool = BlockKind(fields.pop("kind")), Pool(fields.pop("pool", Pool.MEAN))
        except ValueError as error:
            raise SchemaError(f"block {entry.get('name')!r}: {error}") from None
        return cls(kind=kind, pool=pool, columns=tuple(fields.pop("columns")), **fields)


@dataclass(frozen=True)
class IdUnit:
    """What has one table and one embedding: an id column by itself, or all columns of a list.

    Attributes:
        name: That of the column or of the block.
        feature: Describes the values; of a list, the feature of its first column.
        columns: Where its columns lie among the id columns of the side.
        pool: Makes one vector of a list's embeddings; None = no list.
    """

    name: str
    feature: Feature
    columns: tuple[int, ...]
    pool: Pool | None = None

    @property
    def empty(self) -> int:
        """The mark of no entry in a list."""
        assert self.pool is not None and self.feature.default is not None
        return int(self.feature.default)


def id_units(ids: Sequence[Feature], blocks: Sequence[Block]) -> tuple[IdUnit, ...]:
    """The id features of one side, each list as one, in the order of their first columns.

    Args:
        ids: [I] The id features, in the order of their columns.
        blocks: Blocks of the same side.
    """
    block_of = {name: b for b in blocks if b.kind is BlockKind.IDS for name in b.columns}
    place = {feature.name: column for column, feature in enumerate(ids)}
    units: dict[str, IdUnit] = {}
    for column, feature in enumerate(ids):
        block = block_of.get(feature.name)
        if block is None:
            units[feature.name] = IdUnit(feature.name, feature, (column,))
        elif block.name not in units:
            columns = tuple(place[name] for name in block.columns)
            units[block.name] = IdUnit(block.name, ids[columns[0]], columns, block.pool)
    return tuple(units.values())


def check_blocks(blocks: Sequence[Block], side: str, features: Sequence[Feature]) -> None:
    """Checks the blocks of one side against its features.

    Raises:
        SchemaError: A name is there twice, or columns are missing, shared or do not fit.
    """
    of_name = {feature.name: feature for feature in features}
    names, taken = set(of_name), set[str]()
    for block in blocks:
        if block.side != side:
            continue
        title = f"{side} block {block.name!r}"
        if block.name in names:
            raise SchemaError(f"{title}: its name is there twice")
        names.add(block.name)
        for name in block.columns:
            if name not in of_name:
                raise SchemaError(f"{title}: there is no feature {name!r}")
            if name in taken:
                raise SchemaError(f"{title}: column {name!r} is there twice")
            taken.add(name)
        columns = [of_name[name] for name in block.columns]
        wanted = "dense" if block.kind is BlockKind.VECTOR else "id"
        for feature in columns:
            if feature.kind != wanted:
                raise SchemaError(f"{title}: {feature.name!r} is of kind {feature.kind}")
        if block.kind is BlockKind.IDS:
            _check_list(title, columns)


def _check_list(title: str, columns: Sequence[Feature]) -> None:
    first = columns[0]
    for feature in columns:
        same = (feature.vocabulary, feature.hashed, feature.values, feature.default)
        if same != (first.vocabulary, first.hashed, first.values, first.default):
            raise SchemaError(f"{title}: {feature.name!r} is not like {first.name!r}")
    empty = EMPTY_HASHED if first.hashed else first.vocabulary - 1
    if first.default != empty:
        raise SchemaError(
            f"{title}: the default of its columns is {first.default}, not {empty}, which is the "
            "mark of no entry"
        )
