"""What a user and a candidate are made of: the one definition of every feature.

A `FeatureSchema` is read by the converters that write exposure logs, by the model that embeds
features, and by the fronts that check requests. It travels inside the artifact.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

from gerank.data.feature_block import Block, check_blocks
from gerank.data.feedback_kind import FurtherFeedback
from gerank.data.missing_flag import MissingFlag, flags_among
from gerank.data.scalars import is_real, is_truth, whole_number
from gerank.data.schema_error import SchemaError as SchemaError

_INT64_MIN, _INT64_MAX = -(2**63), 2**63 - 1
_FLOAT32_MAX = 3.4028234663852886e38

UNKNOWN_NAME = "<unknown>"
"""A fixed id that has a value of this name takes any text that is none of its names for it."""

NOT_FEATURES = ("id", "dedup_key")
"""What a request says of a candidate that is no feature."""


class FeatureKind(StrEnum):
    """How a feature enters the model."""

    DENSE = "dense"
    ID = "id"


@dataclass(frozen=True)
class Feature:
    """One feature of a user or of a candidate.

    Attributes:
        name: As people write it in requests and logs.
        kind: `dense` (a float32) or `id` (an int64).
        vocabulary: Counts the values of a fixed id, or the embedding rows of a hashed one.
        hashed: Is True for an id that takes any 64-bit integer or string as a value.
        values: Name the values of a fixed id, in order; may be left out. With a value named
            `<unknown>` among them, any other text stands for that one.
        minimum, maximum: Bound what training saw of a dense feature; they only inform.
        default: The number that a request has which leaves the feature out; None = it must not.
    """

    name: str
    kind: FeatureKind
    vocabulary: int = 0
    hashed: bool = False
    values: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    default: float | int | None = None

    def __post_init__(self) -> None:
        if not self.name:
            raise SchemaError("a feature needs a name")
        if self.kind is FeatureKind.ID and self.vocabulary < 1:
            raise SchemaError(f"feature {self.name!r}: vocabulary is {self.vocabulary}, not >= 1")
        if self.values and (self.hashed or len(self.values) != self.vocabulary):
            raise SchemaError(
                f"feature {self.name!r}: {len(self.values)} value names for a "
                f"{'hashed' if self.hashed else 'fixed'} vocabulary of {self.vocabulary}"
            )
        if self.default is not None:
            object.__setattr__(self, "default", self.encode(self.default))

    def encode(self, value: object) -> float | int:
        """The number that stands for `value` on the wire and in tensors.

        Raises:
            SchemaError: `value` does not fit; the message names feature and value.
        """
        return self._dense(value) if self.kind is FeatureKind.DENSE else self._id(value)

    @cached_property
    def _codes(self) -> dict[str, int]:
        return {name: code for code, name in reversed([*enumerate(self.values)])}

    def decode(self, number: Any) -> float | int | str:
        """What a person would write for a number that `encode` gives: the value's name, if any."""
        if self.kind is FeatureKind.DENSE:
            return float(number)
        return self.values[int(number)] if self.values else int(number)

    def _dense(self, value: object) -> float:
        if not is_real(value):
            raise SchemaError(f"feature {self.name!r}: {value!r} is not a number")
        try:
            number = float(value)
        except OverflowError:  # an integer beyond every float
            number = math.inf
        if not abs(number) <= _FLOAT32_MAX:  # false for NaN too
            raise SchemaError(f"feature {self.name!r}: {value!r} is not a finite float32")
        return number

    def _id(self, value: object) -> int:
        if isinstance(value, str):
            if self.hashed:
                return hash_id(value)
            for name in (value, UNKNOWN_NAME):
                if name in self._codes:
                    return self._codes[name]
            raise SchemaError(f"feature {self.name!r}: unknown value {value!r}")
        number = int(value) if is_truth(value) else whole_number(value)
        if number is None:
            raise SchemaError(f"feature {self.name!r}: {value!r} is not an integer or a string")
        low, high = (_INT64_MIN, _INT64_MAX) if self.hashed else (0, self.vocabulary - 1)
        if not low <= number <= high:
            raise SchemaError(f"feature {self.name!r}: {number} is outside [{low}, {high}]")
        return number


@dataclass(frozen=True)
class FeatureSchema:
    """The features of one deployment, in the order of their columns.

    Attributes:
        user: Features of the person a page is for.
        candidate: Features of an item.
        groups: Names of candidate id features that rules and local context speak of.
        flags: Names of candidate id features with a vocabulary of 2 (0 = no, 1 = yes).
        feedback: What a log tells of users beyond their clicks; requests know nothing of it.
        blocks: Which columns are a vector or a list together.
    """

    user: tuple[Feature, ...]
    candidate: tuple[Feature, ...]
    groups: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    feedback: tuple[FurtherFeedback, ...] = ()
    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        for side, features in (("user", self.user), ("candidate", self.candidate)):
            names = [feature.name for feature in features]
            blocks = [block.name for block in self.blocks if block.side == side]
            for name in NOT_FEATURES if side == "candidate" else ():
                if name in names or name in blocks:
                    raise SchemaError(
                        f"candidate feature {name!r}: requests have another meaning for this name; "
                        "choose another one"
                    )
            for name in names:
                if names.count(name) > 1:
                    raise SchemaError(f"{side} feature {name!r} is defined twice")
            check_blocks(self.blocks, side, features)
        ids = {f.name: f for f in self.candidate if f.kind is FeatureKind.ID}
        for name in self.groups + self.flags:
            if name not in ids:
                raise SchemaError(f"{name!r} is not an id feature of the candidate")
        kinds = [kind.name for kind in self.feedback]
        for name in kinds:
            if not name or name == "click" or kinds.count(name) > 1:
                raise SchemaError(f"feedback {name!r} has no name of its own")
        listed = {name for b in self.blocks if b.side == "candidate" for name in b.columns}
        for name in self.groups + self.flags:
            if name in listed:
                raise SchemaError(f"{name!r} is a column of a list, and no group or flag")
        for name in self.flags:
            if ids[name].hashed or ids[name].vocabulary != 2:
                raise SchemaError(f"flag {name!r} needs a fixed vocabulary of 2")

    @cached_property
    def named(self) -> dict[str, dict[str, Feature]]:
        """Side -> name -> feature, in the order of their columns."""
        return {side: {f.name: f for f in getattr(self, side)} for side in ("user", "candidate")}

    @cached_property
    def missing_flags(self) -> dict[str, tuple[MissingFlag, ...]]:
        """Side -> flags named `<name>_missing`, of the values no and yes, beside what they name."""
        return {side: flags_among(self.named[side], self.blocks_of(side)) for side in self.named}

    def blocks_of(self, side: str) -> tuple[Block, ...]:
        """The blocks of `user` or `candidate`, in order."""
        return tuple(block for block in self.blocks if block.side == side)

    @property
    def user_dense(self) -> tuple[Feature, ...]:
        """Dense user features, in column order."""
        return _of_kind(self.user, FeatureKind.DENSE)

    @property
    def user_ids(self) -> tuple[Feature, ...]:
        """Id user features, in column order."""
        return _of_kind(self.user, FeatureKind.ID)

    @property
    def candidate_dense(self) -> tuple[Feature, ...]:
        """Dense candidate features, in column order."""
        return _of_kind(self.candidate, FeatureKind.DENSE)

    @property
    def candidate_scores(self) -> tuple[Feature, ...]:
        """Dense candidate features that are no part of a vector, in column order."""
        parts = {name for block in self.blocks_of("candidate") for name in block.columns}
        return tuple(feature for feature in self.candidate_dense if feature.name not in parts)

    @property
    def candidate_ids(self) -> tuple[Feature, ...]:
        """Id candidate features, in column order."""
        return _of_kind(self.candidate, FeatureKind.ID)

    @property
    def group_columns(self) -> tuple[int, ...]:
        """Where each group key lies among the candidate's id columns."""
        return self._columns(self.groups)

    @property
    def flag_columns(self) -> tuple[int, ...]:
        """Where each flag lies among the candidate's id columns."""
        return self._columns(self.flags)

    def _columns(self, names: tuple[str, ...]) -> tuple[int, ...]:
        order = [feature.name for feature in self.candidate_ids]
        return tuple(order.index(name) for name in names)

    def to_json(self) -> dict[str, Any]:
        """Plain lists and dictionaries, as `gerank.json` and a log's metadata hold them."""
        document: dict[str, Any] = {
            "user": [_feature_to_json(feature) for feature in self.user],
            "candidate": [_feature_to_json(feature) for feature in self.candidate],
            "groups": list(self.groups),
            "flags": list(self.flags),
        }
        if self.feedback:
            document["feedback"] = [kind.to_json() for kind in self.feedback]
        if self.blocks:
            document["blocks"] = [block.to_json() for block in self.blocks]
        return document

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FeatureSchema:
        """The inverse of `to_json`.

        Raises:
            SchemaError: A key is missing or unknown, or a value is malformed.
        """
        try:
            return cls(
                user=tuple(_feature_from_json(entry) for entry in document["user"]),
                candidate=tuple(_feature_from_json(entry) for entry in document["candidate"]),
                groups=tuple(document["groups"]),
                flags=tuple(document["flags"]),
                feedback=tuple(map(FurtherFeedback.from_json, document.get("feedback", ()))),
                blocks=tuple(map(Block.from_json, document.get("blocks", ()))),
            )
        except (KeyError, TypeError) as error:
            raise SchemaError(f"malformed feature schema: {error!r}") from error


def hash_id(text: str) -> int:
    """FNV-1a, 64 bit, of the UTF-8 bytes, without its sign bit: any language repeats it easily.

    Never negative: a negative id in a group key means "no group".
    """
    state = 0xCBF29CE484222325
    for byte in text.encode():
        state = ((state ^ byte) * 0x100000001B3) & 0xFFFFFFFFFFFFFFFF
    return state & _INT64_MAX


def _of_kind(features: tuple[Feature, ...], kind: FeatureKind) -> tuple[Feature, ...]:
    return tuple(feature for feature in features if feature.kind is kind)


def _feature_to_json(feature: Feature) -> dict[str, Any]:
    default = {} if feature.default is None else {"default": feature.default}
    if feature.kind is FeatureKind.DENSE:
        bounds = {"minimum": feature.minimum, "maximum": feature.maximum}
        return {"name": feature.name, "kind": "dense"} | bounds | default
    entry = {"name": feature.name, "kind": "id", "vocabulary": feature.vocabulary}
    return entry | {"hashed": feature.hashed, "values": list(feature.values)} | default


def _feature_from_json(entry: Mapping[str, Any]) -> Feature:
    fields = dict(entry)
    kind = FeatureKind(fields.pop("kind"))
    values = tuple(fields.pop("values", ()))
    return Feature(kind=kind, values=values, **fields)
